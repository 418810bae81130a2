"""Envelopes, scopes and paging of the Harness API; no resource's meaning.

Source: NG envelope, `RestResponse` of the agent API, bare v1 answers (harness-go-sdk).
"""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import yaml as pyyaml
from flask import Response, current_app, jsonify, request
from sqlalchemy import Connection, Engine

from fake_harness.api.changes import Changes
from fake_harness.crypto import Cipher
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.settings import Settings
from fake_harness.store.database import transaction
from fake_harness.store.entities import Entity, EntityContent, EntityKey, EntityPage, scoped_key

SYSTEM_USER = {
    "identifier": "sandbox@localhost",
    "uuid": "sandbox",
    "name": "Sandbox User",
    "email": "sandbox@localhost",
}
"""Who acts through the one API key of the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What every blueprint works with."""

    engine: Engine
    cipher: Cipher
    settings: Settings
    changes: Changes

    def write(self) -> AbstractContextManager[Connection]:
        """Open a write transaction."""
        return transaction(self.engine)

    def read(self) -> AbstractContextManager[Connection]:
        """Open a connection for reading."""
        return self.engine.connect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Account, organization and project that a request names."""

    account: str
    org: str = ""
    project: str = ""

    def key(self, kind: str, identifier: str, parent: str = "") -> EntityKey:
        """Return the key of an entity in exactly this scope."""
        return EntityKey(
            kind=kind,
            account=self.account,
            org=self.org,
            project=self.project,
            identifier=identifier,
            parent=parent,
        )

    def reference(self, kind: str, ref: str, parent: str = "") -> EntityKey:
        """Return the key that `account.x`, `org.x` or `x` means from here."""
        return scoped_key(
            kind, ref, account=self.account, org=self.org, project=self.project, parent=parent
        )


def backend() -> Backend:
    """Return the backend of the running application."""
    return cast("Backend", current_app.extensions["harness"])


def now() -> datetime:
    """Return the current time, UTC aware."""
    return datetime.now(UTC)


def millis(moment: datetime | None) -> int | None:
    """Return a moment as Harness writes it: milliseconds since 1970."""
    return None if moment is None else int(moment.timestamp() * 1000)


def request_scope() -> Scope:
    """Read the scope from the query, as the NG API spells it.

    Raises:
        HarnessError: the account is missing or not this sandbox's.
    """
    args = request.args
    account = (
        args.get("accountIdentifier")
        or args.get("accountId")
        or args.get("accountID")
        or args.get("routingId")
        or request.headers.get("Harness-Account")
        or backend().settings.account_id
    )
    if account != backend().settings.account_id:
        raise HarnessError(
            "INVALID_REQUEST", f"Account [{account}] does not exist in this sandbox.", status=400
        )
    return Scope(
        account=account,
        org=args.get("orgIdentifier", ""),
        project=args.get("projectIdentifier", ""),
    )


def path_scope(org: str, project: str) -> Scope:
    """Return the scope of a v1 path."""
    return Scope(account=backend().settings.account_id, org=org, project=project)


def ok(data: object) -> Response:
    """Answer success in the NG envelope."""
    return jsonify(status="SUCCESS", data=data, metaData=None, correlationId=str(uuid.uuid4()))


def resource(value: object) -> Response:
    """Answer success in the agent API's envelope."""
    return jsonify(metaData={}, resource=value, responseMessages=[])


def page_number(name: str = "pageIndex", other: str = "page") -> int:
    """Read the 0-based page of a request, whichever name it uses."""
    return _whole_number(request.args.get(name) or request.args.get(other) or "0", name)


def page_size(default: int = 50) -> int:
    """Read the page size of a request, whichever name it uses."""
    args = request.args
    text = args.get("pageSize") or args.get("size") or args.get("limit") or str(default)
    return min(_whole_number(text, "pageSize"), 1000) or default


def ng_page(items: Sequence[object], total: int, *, page: int, size: int) -> JsonObject:
    """Build a `PageResponse`."""
    return {
        "totalPages": -(-total // size),
        "totalItems": total,
        "pageItemCount": len(items),
        "pageSize": size,
        "content": list(items),
        "pageIndex": page,
        "empty": not items,
        "pageToken": None,
    }


def spring_page(items: Sequence[object], total: int, *, page: int, size: int) -> JsonObject:
    """Build the Spring page that pipeline and execution lists answer."""
    pages = -(-total // size)
    return {
        "content": list(items),
        "pageable": {"pageNumber": page, "pageSize": size, "offset": page * size, "paged": True},
        "totalPages": pages,
        "totalElements": total,
        "last": page + 1 >= pages,
        "first": page == 0,
        "size": size,
        "number": page,
        "numberOfElements": len(items),
        "sort": {"sorted": True, "unsorted": False, "empty": False},
        "empty": not items,
    }


def v1_page(items: Sequence[object], page: EntityPage) -> Response:
    """Answer a bare v1 list with its paging headers."""
    answer = jsonify(list(items))
    answer.headers["X-Total-Elements"] = str(page.total)
    answer.headers["X-Page-Number"] = str(page_number("page"))
    answer.headers["X-Page-Size"] = str(page_size())
    return answer


def json_body() -> JsonObject:
    """Read the body as a JSON object.

    Raises:
        HarnessError: it is no JSON object.
    """
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, Mapping):
        raise HarnessError("INVALID_REQUEST", "The request body must be a JSON object.")
    return body


def member(body: JsonObject, name: str) -> JsonObject:
    """Return the object under `name` of a request body.

    Raises:
        HarnessError: it is missing or no object.
    """
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise HarnessError("INVALID_REQUEST", f"{name}: must not be null")
    return value


def text(body: JsonObject, name: str, default: str | None = None) -> str:
    """Return the text under `name`; a missing one without default is refused."""
    value = body.get(name)
    if value is None or value == "":
        if default is not None:
            return default
        raise HarnessError("INVALID_REQUEST", f"{name}: must not be empty")
    return str(value)


def tags(body: JsonObject) -> dict[str, str]:
    """Return the tags of a body, which may be null."""
    value = body.get("tags")
    if not isinstance(value, Mapping):
        return {}
    return {str(k): "" if v is None else str(v) for k, v in value.items()}


def content(body: JsonObject, *, yaml: str = "", stored: JsonObject | None = None) -> EntityContent:
    """Build what the store keeps from an entity's wire object."""
    identifier = text(body, "identifier", "")
    return EntityContent(
        name=text(body, "name", identifier),
        description=text(body, "description", ""),
        tags=tags(body),
        body=dict(body if stored is None else stored),
        yaml=yaml,
    )


def parse_yaml(source: str, root: str) -> JsonObject:
    """Parse an entity's YAML and return the object under its one root key.

    Raises:
        HarnessError: it is no YAML, or has another root.
    """
    try:
        document = pyyaml.safe_load(source)
    except pyyaml.YAMLError as error:
        raise HarnessError("INVALID_REQUEST", f"Invalid yaml: {error}") from error
    inner = document.get(root) if isinstance(document, Mapping) else None
    if not isinstance(inner, Mapping):
        raise HarnessError("INVALID_REQUEST", f"Invalid yaml: the root key must be [{root}].")
    return inner


def same_identifier(in_body: str, in_path: str) -> None:
    """Refuse a body that names another entity than its path; no path, no check."""
    if in_path and in_body != in_path:
        message = f"Identifier in yaml [{in_body}] differs from the path's [{in_path}]."
        raise HarnessError("INVALID_REQUEST", message)


def common(entity: Entity) -> dict[str, object]:
    """Return the members that nearly every entity answer carries."""
    return {
        "accountId": entity.key.account,
        "identifier": entity.identifier,
        "orgIdentifier": entity.key.org or None,
        "projectIdentifier": entity.key.project or None,
        "name": entity.name,
        "description": entity.description,
        "tags": dict(entity.tags),
    }


def _whole_number(value: str, name: str) -> int:
    if not value.isdigit():
        raise HarnessError("INVALID_REQUEST", f"{name}: must be a whole number, not [{value}]")
    return int(value)
