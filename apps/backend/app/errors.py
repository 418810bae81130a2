"""Turns everything that goes wrong into one JSON shape: `{"error": {...}}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Response, g, jsonify
from werkzeug.exceptions import HTTPException

from app.repository import EmailTakenError, StoreFullError, UserNotFoundError

log = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer that a client can act on."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = dict(fields or {})


class ValidationError(ApiError):
    """Input that is well formed and breaks a rule."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "validation_failed",
            "Some fields are not valid.",
            fields,
        )


def install(app: Flask) -> None:
    """Register the handlers on `app`."""
    app.register_error_handler(ApiError, render)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(UserNotFoundError, _user_not_found)
    app.register_error_handler(EmailTakenError, _email_taken)
    app.register_error_handler(StoreFullError, _store_full)
    app.register_error_handler(Exception, _unexpected)


def render(error: ApiError) -> Response:
    """Return the JSON answer for `error`."""
    body: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "request_id": g.get("request_id", ""),
    }
    if error.fields:
        body["fields"] = error.fields
    response = jsonify(error=body)
    response.status_code = error.status
    return response


def _http_error(error: HTTPException) -> Response:
    original = error.get_response()
    status = HTTPStatus(original.status_code)
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    answer = render(ApiError(status, code, error.description or status.phrase))
    if "Allow" in original.headers:
        answer.headers["Allow"] = original.headers["Allow"]
    return answer


def _user_not_found(_error: UserNotFoundError) -> Response:
    return render(ApiError(HTTPStatus.NOT_FOUND, "user_not_found", "There is no such user."))


def _email_taken(_error: EmailTakenError) -> Response:
    message = "Another user has this email address."
    return render(
        ApiError(HTTPStatus.CONFLICT, "email_taken", message, {"email": "is already in use"})
    )


def _store_full(_error: StoreFullError) -> Response:
    message = "No more users fit. Delete one first."
    return render(ApiError(HTTPStatus.INSUFFICIENT_STORAGE, "store_full", message))


def _unexpected(error: Exception) -> Response:
    log.error("request_errored", exc_info=error)
    message = "Something went wrong on our side. The request id helps us to find it."
    return render(ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_server_error", message))
