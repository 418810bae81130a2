"""Account, organization and project variables. Source: NG API, `/ng/api/variables`."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

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
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKind, EntityQuery

blueprint = Blueprint("variables", __name__, url_prefix="/ng/api/variables")


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Create a variable."""
    return _save(exists=False)


@blueprint.put("")
def update() -> ResponseReturnValue:
    """Replace a variable; its identifier is in the body."""
    return _save(exists=True)


@blueprint.get("/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one variable."""
    key = request_scope().key(EntityKind.VARIABLE, identifier)
    with backend().read() as connection:
        return ok(_wire(entities.require(connection, key)))


@blueprint.get("")
def list_variables() -> ResponseReturnValue:
    """List the variables of the scope."""
    scope = request_scope()
    query = EntityQuery(
        kind=EntityKind.VARIABLE, account=scope.account, org=scope.org, project=scope.project
    )
    page, size = page_number(), page_size()
    with backend().read() as connection:
        found = entities.list_page(connection, query, page=page, size=size)
    items = [_wire(item) for item in found.items]
    return ok(ng_page(items, found.total, page=page, size=size))


@blueprint.delete("/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete one variable."""
    key = request_scope().key(EntityKind.VARIABLE, identifier)
    with backend().write() as connection:
        entities.require(connection, key)
        return ok(entities.remove(connection, key))


def _save(*, exists: bool) -> ResponseReturnValue:
    body = member(json_body(), "variable")
    member(body, "spec")
    key = body_scope(body).key(EntityKind.VARIABLE, text(body, "identifier"))
    write = entities.replace if exists else entities.create
    with backend().write() as connection:
        return ok(_wire(write(connection, key, content(body), now=now())))


def _wire(entity: Entity) -> JsonObject:
    return {
        "variable": {
            "identifier": entity.identifier,
            "name": entity.name,
            "description": entity.description,
            "orgIdentifier": entity.key.org or None,
            "projectIdentifier": entity.key.project or None,
            "type": entity.body.get("type"),
            "spec": entity.body.get("spec"),
        },
        "createdAt": millis(entity.created_at),
        "lastModifiedAt": millis(entity.updated_at),
    }
