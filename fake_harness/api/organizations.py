"""Organizations and projects. Source: NG API, `/ng/api/organizations`, `/ng/api/projects`."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import (
    backend,
    common,
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
from fake_harness.store.entities import Entity, EntityKey, EntityKind, EntityQuery

blueprint = Blueprint("organizations", __name__, url_prefix="/ng/api")


@blueprint.post("/organizations")
def create_organization() -> ResponseReturnValue:
    """Create an organization."""
    body = member(json_body(), "organization")
    key = _organization_key(text(body, "identifier"))
    with backend().write() as connection:
        return ok(_organization(entities.create(connection, key, content(body), now=now())))


@blueprint.get("/organizations")
def list_organizations() -> ResponseReturnValue:
    """List organizations."""
    query = EntityQuery(
        kind=EntityKind.ORGANIZATION,
        account=request_scope().account,
        search=request.args.get("searchTerm", ""),
    )
    page, size = page_number(), page_size()
    with backend().read() as connection:
        found = entities.list_page(connection, query, page=page, size=size)
    items = [_organization(item) for item in found.items]
    return ok(ng_page(items, found.total, page=page, size=size))


@blueprint.get("/organizations/<identifier>")
def get_organization(identifier: str) -> ResponseReturnValue:
    """Read one organization."""
    with backend().read() as connection:
        return ok(_organization(entities.require(connection, _organization_key(identifier))))


@blueprint.put("/organizations/<identifier>")
def update_organization(identifier: str) -> ResponseReturnValue:
    """Replace one organization."""
    body = member(json_body(), "organization")
    key = _organization_key(identifier)
    with backend().write() as connection:
        return ok(_organization(entities.replace(connection, key, content(body), now=now())))


@blueprint.delete("/organizations/<identifier>")
def delete_organization(identifier: str) -> ResponseReturnValue:
    """Delete an organization with everything in it."""
    key = _organization_key(identifier)
    with backend().write() as connection:
        entities.require(connection, key)
        entities.remove_scope(connection, account=key.account, org=identifier)
        return ok(entities.remove(connection, key))


@blueprint.post("/projects")
def create_project() -> ResponseReturnValue:
    """Create a project in an organization that exists."""
    body = member(json_body(), "project")
    key = _project_key(text(body, "identifier"), _org(body))
    with backend().write() as connection:
        entities.require(connection, _organization_key(key.org))
        return ok(_project(entities.create(connection, key, content(body), now=now())))


@blueprint.get("/projects")
def list_projects() -> ResponseReturnValue:
    """List projects."""
    query = EntityQuery(
        kind=EntityKind.PROJECT,
        account=request_scope().account,
        org=request.args.get("orgIdentifier"),
        search=request.args.get("searchTerm", ""),
    )
    page, size = page_number(), page_size()
    with backend().read() as connection:
        found = entities.list_page(connection, query, page=page, size=size)
    items = [_project(item) for item in found.items]
    return ok(ng_page(items, found.total, page=page, size=size))


@blueprint.get("/projects/<identifier>")
def get_project(identifier: str) -> ResponseReturnValue:
    """Read one project."""
    key = _project_key(identifier, request_scope().org)
    with backend().read() as connection:
        return ok(_project(entities.require(connection, key)))


@blueprint.put("/projects/<identifier>")
def update_project(identifier: str) -> ResponseReturnValue:
    """Replace one project."""
    body = member(json_body(), "project")
    key = _project_key(identifier, request_scope().org or _org(body))
    with backend().write() as connection:
        return ok(_project(entities.replace(connection, key, content(body), now=now())))


@blueprint.delete("/projects/<identifier>")
def delete_project(identifier: str) -> ResponseReturnValue:
    """Delete a project with everything in it."""
    key = _project_key(identifier, request_scope().org)
    with backend().write() as connection:
        entities.require(connection, key)
        entities.remove_scope(connection, account=key.account, org=key.org, project=identifier)
        return ok(entities.remove(connection, key))


def _org(body: JsonObject) -> str:
    org = text(body, "orgIdentifier", "") or request_scope().org
    if not org:
        raise HarnessError("INVALID_REQUEST", "orgIdentifier: must not be empty")
    return org


def _organization_key(identifier: str) -> EntityKey:
    account = request_scope().account
    return EntityKey(kind=EntityKind.ORGANIZATION, account=account, identifier=identifier)


def _project_key(identifier: str, org: str) -> EntityKey:
    # A project is an entity of its organization; its own name is the identifier.
    account = request_scope().account
    return EntityKey(kind=EntityKind.PROJECT, account=account, org=org, identifier=identifier)


def _organization(entity: Entity) -> JsonObject:
    return {
        "organization": {
            "identifier": entity.identifier,
            "name": entity.name,
            "description": entity.description,
            "tags": dict(entity.tags),
        },
        "createdAt": millis(entity.created_at),
        "lastModifiedAt": millis(entity.updated_at),
        "harnessManaged": False,
    }


def _project(entity: Entity) -> JsonObject:
    stored = common(entity)
    return {
        "project": {
            "orgIdentifier": entity.key.org,
            "identifier": entity.identifier,
            "name": entity.name,
            "description": stored["description"],
            "color": entity.body.get("color") or "#0063F7",
            "modules": entity.body.get("modules") or ["CD", "CI"],
            "tags": stored["tags"],
        },
        "createdAt": millis(entity.created_at),
        "lastModifiedAt": millis(entity.updated_at),
    }
