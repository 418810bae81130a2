"""Secrets: text and files, encrypted at rest, never answered. Source: `/ng/api/v2/secrets`."""

import json

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.connectors import body_scope
from fake_harness.api.wire import (
    backend,
    content,
    json_body,
    member,
    millis,
    ng_page,
    now,
    ok,
    page_number,
    page_size,
    request_scope,
    text,
)
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities
from fake_harness.store import secrets as secret_values
from fake_harness.store.entities import Entity, EntityKind, EntityQuery

blueprint = Blueprint("secrets", __name__, url_prefix="/ng/api/v2/secrets")


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Create a SecretText."""
    return ok(_save(member(json_body(), "secret"), value=None, exists=False))


@blueprint.put("/<identifier>")
def update(identifier: str) -> ResponseReturnValue:
    """Replace a SecretText; without a value the old one stays."""
    body = {**member(json_body(), "secret"), "identifier": identifier}
    return ok(_save(body, value=None, exists=True))


@blueprint.post("/files")
def create_file() -> ResponseReturnValue:
    """Create a SecretFile from a multipart form (`spec`, `file`)."""
    return ok(_save(_form_spec(), value=_form_file(), exists=False))


@blueprint.put("/files/<identifier>")
def update_file(identifier: str) -> ResponseReturnValue:
    """Replace a SecretFile from a multipart form."""
    body = {**_form_spec(), "identifier": identifier}
    return ok(_save(body, value=_form_file(), exists=True))


@blueprint.get("/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one secret without its value."""
    key = request_scope().key(EntityKind.SECRET, identifier)
    with backend().read() as connection:
        return ok(_wire(entities.require(connection, key)))


@blueprint.get("")
def list_secrets() -> ResponseReturnValue:
    """List the secrets of the scope."""
    scope = request_scope()
    query = EntityQuery(
        kind=EntityKind.SECRET, account=scope.account, org=scope.org, project=scope.project
    )
    page, size = page_number(), page_size()
    with backend().read() as connection:
        found = entities.list_page(connection, query, page=page, size=size)
    items = [_wire(item) for item in found.items]
    return ok(ng_page(items, found.total, page=page, size=size))


@blueprint.delete("/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete one secret and its value."""
    key = request_scope().key(EntityKind.SECRET, identifier)
    with backend().write() as connection:
        entities.require(connection, key)
        return ok(entities.remove(connection, key))


def _save(body: JsonObject, *, value: bytes | None, exists: bool) -> JsonObject:
    key = body_scope(body).key(EntityKind.SECRET, text(body, "identifier"))
    spec = dict(member(body, "spec"))
    plain = spec.pop("value", None)
    if value is None and plain is not None:
        value = str(plain).encode()
    if value is None and not exists:
        raise HarnessError("INVALID_REQUEST", "spec.value: must not be null")
    wanted = content(body, stored={**body, "spec": spec})
    with backend().write() as connection:
        write = entities.replace if exists else entities.create
        entity = write(connection, key, wanted, now=now())
        _write_value(connection, entity, value)
        return _wire(entity)


def _write_value(connection: Connection, entity: Entity, value: bytes | None) -> None:
    if value is not None:
        secret_values.write_value(connection, entity, value, cipher=backend().cipher)


def _form_spec() -> JsonObject:
    try:
        return member(json.loads(request.form.get("spec", "")), "secret")
    except json.JSONDecodeError as error:
        raise HarnessError("INVALID_REQUEST", "The form part [spec] must be JSON.") from error


def _form_file() -> bytes | None:
    upload = request.files.get("file")
    return upload.read() if upload else None


def _wire(entity: Entity) -> JsonObject:
    return {
        "secret": {
            "type": entity.body.get("type"),
            "name": entity.name,
            "identifier": entity.identifier,
            "orgIdentifier": entity.key.org or None,
            "projectIdentifier": entity.key.project or None,
            "tags": dict(entity.tags),
            "description": entity.description,
            "spec": {**_spec(entity), "value": None},
        },
        "createdAt": millis(entity.created_at),
        "updatedAt": millis(entity.updated_at),
        "draft": False,
    }


def _spec(entity: Entity) -> JsonObject:
    return member(entity.body, "spec")
