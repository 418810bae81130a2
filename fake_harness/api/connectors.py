"""Connectors. Source: NG API, `/ng/api/connectors`; the `spec` is kept and echoed verbatim."""

from collections.abc import Mapping

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import (
    Scope,
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
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKind, EntityQuery

blueprint = Blueprint("connectors", __name__, url_prefix="/ng/api/connectors")


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Create a connector."""
    body = member(json_body(), "connector")
    key = body_scope(body).key(EntityKind.CONNECTOR, text(body, "identifier"))
    with backend().write() as connection:
        return ok(_wire(entities.create(connection, key, content(body), now=now())))


@blueprint.put("")
def update() -> ResponseReturnValue:
    """Replace a connector; its identifier is in the body."""
    body = member(json_body(), "connector")
    key = body_scope(body).key(EntityKind.CONNECTOR, text(body, "identifier"))
    with backend().write() as connection:
        return ok(_wire(entities.replace(connection, key, content(body), now=now())))


@blueprint.get("")
def list_connectors() -> ResponseReturnValue:
    """List the connectors of the scope."""
    return _list((), ())


@blueprint.post("/listV2")
def list_filtered() -> ResponseReturnValue:
    """List with a filter body: `types`, `connectorIdentifiers`."""
    body = request.get_json(force=True, silent=True)
    wanted = body if isinstance(body, Mapping) else {}
    return _list(_words(wanted.get("types")), _words(wanted.get("connectorIdentifiers")))


@blueprint.get("/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one connector."""
    key = request_scope().key(EntityKind.CONNECTOR, identifier)
    with backend().read() as connection:
        return ok(_wire(entities.require(connection, key)))


@blueprint.delete("/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete one connector."""
    key = request_scope().key(EntityKind.CONNECTOR, identifier)
    with backend().write() as connection:
        entities.require(connection, key)
        return ok(entities.remove(connection, key))


def body_scope(body: JsonObject) -> Scope:
    """Return the scope that a body names, falling back to the query's."""
    query = request_scope()
    return Scope(
        account=query.account,
        org=text(body, "orgIdentifier", "") or query.org,
        project=text(body, "projectIdentifier", "") or query.project,
    )


def _list(types: tuple[str, ...], identifiers: tuple[str, ...]) -> ResponseReturnValue:
    scope = request_scope()
    query = EntityQuery(
        kind=EntityKind.CONNECTOR,
        account=scope.account,
        org=scope.org,
        project=scope.project,
        search=request.args.get("searchTerm", ""),
        identifiers=identifiers or None,
    )
    page, size = page_number(), page_size()
    with backend().read() as connection:
        found = entities.list_all(connection, query)
    items = [_wire(item) for item in found if not types or item.body.get("type") in types]
    shown = items[page * size : (page + 1) * size]
    return ok(ng_page(shown, len(items), page=page, size=size))


def _words(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _wire(entity: Entity) -> JsonObject:
    return {
        "connector": {
            "name": entity.name,
            "identifier": entity.identifier,
            "description": entity.description,
            "orgIdentifier": entity.key.org or None,
            "projectIdentifier": entity.key.project or None,
            "tags": dict(entity.tags),
            "type": entity.body.get("type"),
            "spec": entity.body.get("spec"),
        },
        "createdAt": millis(entity.created_at),
        "lastModifiedAt": millis(entity.updated_at),
        "status": None,
        "harnessManaged": False,
        "gitDetails": None,
    }
