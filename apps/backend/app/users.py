"""The users resource: routes and rules. Where users are kept is the repository's affair."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import uuid4

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from app.errors import ApiError, ValidationError
from app.repository import User, UserRepository

ROLES = ("viewer", "developer", "admin")
NAME_MAX = 80
EMAIL_MAX = 254
PAGE_MAX = 200
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFields:
    """What a client may say about a user."""

    name: str
    email: str
    role: str = "viewer"


def blueprint(users: UserRepository) -> Blueprint:
    """Return the routes of `/api/users`."""
    routes = Blueprint("users", __name__, url_prefix="/api/users")

    @routes.get("")
    def list_users() -> ResponseReturnValue:
        needle = request.args.get("q", "").strip().casefold()
        limit = _count_argument("limit", default=PAGE_MAX, low=1, high=PAGE_MAX)
        offset = _count_argument("offset", default=0, low=0, high=1_000_000)
        found = [user for user in users.list_users() if _matches(user, needle)]
        page = found[offset : offset + limit]
        return {"items": [as_json(user) for user in page], "total": len(found)}

    @routes.post("")
    def create_user() -> ResponseReturnValue:
        fields = parse_fields(_json_object())
        now = datetime.now(UTC)
        user = User(
            id=uuid4().hex[:12],
            name=fields.name,
            email=fields.email,
            role=fields.role,
            created_at=now,
            updated_at=now,
        )
        users.add(user)
        location = url_for("users.get_user", user_id=user.id)
        return as_json(user), HTTPStatus.CREATED, {"Location": location}

    @routes.get("/<user_id>")
    def get_user(user_id: str) -> ResponseReturnValue:
        return as_json(users.get(user_id))

    @routes.put("/<user_id>")
    def replace_user(user_id: str) -> ResponseReturnValue:
        return _save(users.get(user_id), parse_fields(_json_object()))

    @routes.patch("/<user_id>")
    def update_user(user_id: str) -> ResponseReturnValue:
        user = users.get(user_id)
        present = {"name": user.name, "email": user.email, "role": user.role}
        return _save(user, parse_fields({**present, **_json_object()}))

    @routes.delete("/<user_id>")
    def delete_user(user_id: str) -> ResponseReturnValue:
        users.remove(user_id)
        return "", HTTPStatus.NO_CONTENT

    def _save(user: User, fields: UserFields) -> ResponseReturnValue:
        saved = replace(
            user,
            name=fields.name,
            email=fields.email,
            role=fields.role,
            updated_at=datetime.now(UTC),
        )
        users.replace(saved)
        return as_json(saved)

    return routes


def parse_fields(body: Mapping[str, object]) -> UserFields:
    """Return checked fields, or raise one ValidationError that names every bad field."""
    problems = dict.fromkeys(body.keys() - {"name", "email", "role"}, "is not a field of a user")
    name, email, role = (_text(body, key) for key in ("name", "email", "role"))
    if not name:
        problems["name"] = "is required"
    elif len(name) > NAME_MAX or not name.isprintable():
        problems["name"] = f"must be at most {NAME_MAX} printable characters"
    if not email:
        problems["email"] = "is required"
    elif len(email) > EMAIL_MAX or not EMAIL.fullmatch(email):
        problems["email"] = "must look like name@example.com"
    role = "viewer" if "role" not in body else role
    if role not in ROLES:
        problems["role"] = f"must be one of {', '.join(ROLES)}"
    if problems:
        raise ValidationError(problems)
    return UserFields(name=name, email=email, role=role)


def as_json(user: User) -> dict[str, str]:
    """Return the wire shape of a user."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "created_at": user.created_at.isoformat(timespec="seconds"),
        "updated_at": user.updated_at.isoformat(timespec="seconds"),
    }


def _json_object() -> Mapping[str, object]:
    body = request.get_json()
    if not isinstance(body, dict):
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", "The body must be a JSON object.")
    return body


def _text(body: Mapping[str, object], key: str) -> str:
    value = body.get(key)
    return value.strip() if isinstance(value, str) else ""


def _matches(user: User, needle: str) -> bool:
    return needle in user.name.casefold() or needle in user.email.casefold()


def _count_argument(name: str, *, default: int, low: int, high: int) -> int:
    raw = request.args.get(name, str(default))
    if not (raw.isascii() and raw.isdigit() and low <= int(raw) <= high):
        raise ValidationError({name: f"must be a whole number from {low} to {high}"})
    return int(raw)
