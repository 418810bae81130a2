"""Templates: their v1 routes, and finding them for pipelines that refer to them.

Source: harness-openapi-go-client, `/v1[/orgs/{o}[/projects/{p}]]/templates`; the first
version of a template is its stable one until another is chosen.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.wire import (
    Scope,
    backend,
    content,
    json_body,
    millis,
    now,
    page_number,
    page_size,
    parse_yaml,
    path_scope,
    text,
    v1_page,
)
from fake_harness.errors import HarnessError, not_found
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.templates import expand_templates
from fake_harness.store import entities
from fake_harness.store.entities import (
    Entity,
    EntityContent,
    EntityKind,
    EntityPage,
    EntityQuery,
)
from fake_harness.store.templates import stable, template_lookup, versions

blueprint = Blueprint("templates", __name__)

_KINDS = frozenset({"Pipeline", "Stage", "Step", "StepGroup"})
_ROOTS = (
    "/v1/templates",
    "/v1/orgs/<org>/templates",
    "/v1/orgs/<org>/projects/<project>/templates",
)


def expand(connection: Connection, scope: Scope, pipeline_yaml: str) -> str:
    """Return a pipeline with its templates in place.

    Raises:
        YamlInvalidError: a template does not exist or does not fit.
    """
    lookup = template_lookup(
        connection, account=scope.account, org=scope.org, project=scope.project
    )
    return expand_templates(pipeline_yaml, lookup)


Handler = TypeVar("Handler", bound=Callable[..., ResponseReturnValue])


def _route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Register a handler under all three scopes."""

    def register(handler: Handler) -> Handler:
        for root in _ROOTS:
            blueprint.add_url_rule(root + path, view_func=handler, methods=[method])
        return handler

    return register


@_route("POST", "")
def create(org: str = "", project: str = "") -> ResponseReturnValue:
    """Create a template version."""
    body = json_body()
    source = text(body, "template_yaml")
    inner = _checked(source)
    scope = path_scope(org, project)
    key = scope.key(EntityKind.TEMPLATE, text(inner, "identifier"), text(inner, "versionLabel"))
    with backend().write() as connection:
        versions = _versions(connection, scope, key.identifier)
        stable = not versions or body.get("is_stable") is True
        if stable:
            _unmark(connection, versions)
        wanted = _content(inner, source, stable=stable)
        return jsonify(_wire(entities.create(connection, key, wanted, now=now()))), 201


@_route("GET", "")
def list_templates(org: str = "", project: str = "") -> ResponseReturnValue:
    """List the template versions of a scope."""
    scope = path_scope(org, project)
    query = EntityQuery(
        kind=EntityKind.TEMPLATE,
        account=scope.account,
        org=scope.org,
        project=scope.project,
        search=request.args.get("search_term", ""),
    )
    with backend().read() as connection:
        found: EntityPage = entities.list_page(
            connection, query, page=page_number("page"), size=page_size()
        )
    return v1_page([_wire(item)["template"] for item in found.items], found)


@_route("GET", "/<identifier>")
def get_stable(identifier: str, org: str = "", project: str = "") -> ResponseReturnValue:
    """Read the stable version."""
    with backend().read() as connection:
        return jsonify(_wire(_require(connection, path_scope(org, project), identifier, "")))


@_route("GET", "/<identifier>/versions/<version>")
def get(identifier: str, version: str, org: str = "", project: str = "") -> ResponseReturnValue:
    """Read one version."""
    with backend().read() as connection:
        return jsonify(_wire(_require(connection, path_scope(org, project), identifier, version)))


@_route("PUT", "/<identifier>/versions/<version>")
def update(identifier: str, version: str, org: str = "", project: str = "") -> ResponseReturnValue:
    """Replace one version."""
    body = json_body()
    source = text(body, "template_yaml")
    inner = _checked(source)
    named = (text(inner, "identifier"), text(inner, "versionLabel"))
    if named != (identifier, version):
        message = f"The yaml names template {named[0]}/{named[1]}, the path {identifier}/{version}."
        raise HarnessError("INVALID_REQUEST", message)
    scope = path_scope(org, project)
    with backend().write() as connection:
        old = _require(connection, scope, identifier, version)
        stable = bool(old.body.get("stable")) or body.get("is_stable") is True
        if stable:
            _unmark(connection, _versions(connection, scope, identifier))
        wanted = _content(inner, source, stable=stable)
        return jsonify(_wire(entities.replace(connection, old.key, wanted, now=now())))


@_route("PUT", "/<identifier>/versions/<version>/stable")
def choose_stable(
    identifier: str, version: str, org: str = "", project: str = ""
) -> ResponseReturnValue:
    """Make one version the stable one."""
    scope = path_scope(org, project)
    with backend().write() as connection:
        chosen = _require(connection, scope, identifier, version)
        _unmark(connection, _versions(connection, scope, identifier))
        _mark(connection, chosen, stable=True)
    return jsonify(identifier=identifier, version_label=version, stable_template=True)


@_route("DELETE", "/<identifier>/versions/<version>")
def delete(identifier: str, version: str, org: str = "", project: str = "") -> ResponseReturnValue:
    """Delete one version; the stable one only when it is the last."""
    scope = path_scope(org, project)
    with backend().write() as connection:
        entity = _require(connection, scope, identifier, version)
        others = len(_versions(connection, scope, identifier)) > 1
        if entity.body.get("stable") and others and request.args.get("forceDelete") != "true":
            message = f"Version [{version}] of template [{identifier}] is its stable version."
            raise HarnessError("INVALID_REQUEST", message)
        entities.remove(connection, entity.key)
    return "", 204


def _checked(source: str) -> JsonObject:
    inner = parse_yaml(source, "template")
    kind = text(inner, "type")
    if kind not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        message = f"template.type: [{kind}] is not one of the types that this sandbox has: {known}"
        raise HarnessError("INVALID_REQUEST", message)
    return inner


def _content(inner: JsonObject, source: str, *, stable: bool) -> EntityContent:
    return content(inner, yaml=source, stored={"stable": stable, "type": inner.get("type")})


def _require(connection: Connection, scope: Scope, identifier: str, version: str) -> Entity:
    key = scope.key(EntityKind.TEMPLATE, identifier, version)
    if version:
        return entities.require(connection, key)
    found = stable(connection, key)
    if found is None:
        raise not_found("Template", identifier)
    return found


def _versions(connection: Connection, scope: Scope, identifier: str) -> tuple[Entity, ...]:
    return versions(connection, scope.key(EntityKind.TEMPLATE, identifier))


def _unmark(connection: Connection, versions: tuple[Entity, ...]) -> None:
    for version in versions:
        if version.body.get("stable"):
            _mark(connection, version, stable=False)


def _mark(connection: Connection, entity: Entity, *, stable: bool) -> None:
    old = EntityContent(
        name=entity.name,
        description=entity.description,
        tags=entity.tags,
        body=entity.body,
        yaml=entity.yaml,
    )
    wanted = replace(old, body={**entity.body, "stable": stable})
    entities.replace(connection, entity.key, wanted, now=now())


def _wire(entity: Entity) -> dict[str, object]:
    inner = {
        "account": entity.key.account,
        "org": entity.key.org or None,
        "project": entity.key.project or None,
        "identifier": entity.identifier,
        "name": entity.name,
        "description": entity.description,
        "tags": dict(entity.tags),
        "yaml": entity.yaml,
        "version_label": entity.key.parent,
        "entity_type": entity.body.get("type"),
        "scope": "project" if entity.key.project else "org" if entity.key.org else "account",
        "version": entity.version,
        "stable_template": bool(entity.body.get("stable")),
        "store_type": "INLINE",
        "updated": millis(entity.updated_at),
    }
    return {"template": inner, "inputs": ""}
