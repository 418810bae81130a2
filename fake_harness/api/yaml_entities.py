"""Services, environments and infrastructures: entities whose YAML is the truth.

Source: NG API, `/ng/api/servicesV2`, `/environmentsV2`, `/infrastructures`. The answer's
`type` and `deploymentType` are read from the YAML, as Harness derives them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import yaml as pyyaml
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from fake_harness.api.connectors import body_scope
from fake_harness.api.wire import (
    backend,
    common,
    content,
    json_body,
    millis,
    ng_page,
    now,
    ok,
    page_number,
    page_size,
    parse_yaml,
    request_scope,
    text,
)
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityContent, EntityKey, EntityKind, EntityQuery

Wire = Callable[[Entity, JsonObject], JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlKind:
    """One kind of entity and how it is spelled on the wire."""

    kind: EntityKind
    path: str
    root: str
    """Root key of its YAML."""
    member: str
    """Key of the entity in an answer's data."""
    wire: Wire
    in_environment: bool = False


def make_blueprint(what: YamlKind) -> Blueprint:
    """Build the CRUD routes of one kind."""
    blueprint = Blueprint(what.path, __name__, url_prefix=f"/ng/api/{what.path}")

    def save(*, exists: bool | None) -> ResponseReturnValue:
        key, wanted = _read(what)
        write = {True: entities.replace, False: entities.create, None: entities.upsert}[exists]
        with backend().write() as connection:
            return ok(_answer(what, write(connection, key, wanted, now=now())))

    @blueprint.post("")
    def create() -> ResponseReturnValue:
        return save(exists=False)

    @blueprint.put("")
    def update() -> ResponseReturnValue:
        return save(exists=True)

    @blueprint.put("/upsert")
    def upsert() -> ResponseReturnValue:
        return save(exists=None)

    @blueprint.get("/<identifier>")
    def get(identifier: str) -> ResponseReturnValue:
        with backend().read() as connection:
            entity = entities.require(connection, _key(what, identifier))
            return ok(_answer(what, entity))

    @blueprint.delete("/<identifier>")
    def delete(identifier: str) -> ResponseReturnValue:
        key = _key(what, identifier)
        with backend().write() as connection:
            entities.require(connection, key)
            if what.kind is EntityKind.ENVIRONMENT:
                entities.remove_children(connection, EntityKind.INFRASTRUCTURE, of=key)
            return ok(entities.remove(connection, key))

    @blueprint.get("")
    def list_() -> ResponseReturnValue:
        scope = request_scope()
        parent = request.args.get("environmentIdentifier") if what.in_environment else None
        query = EntityQuery(
            kind=what.kind,
            account=scope.account,
            org=scope.org,
            project=scope.project,
            parent=parent,
            search=request.args.get("searchTerm", ""),
        )
        page, size = page_number(), page_size()
        with backend().read() as connection:
            found = entities.list_page(connection, query, page=page, size=size)
        items = [_answer(what, item) for item in found.items]
        return ok(ng_page(items, found.total, page=page, size=size))

    return blueprint


def _key(what: YamlKind, identifier: str) -> EntityKey:
    parent = request.args.get("environmentIdentifier", "") if what.in_environment else ""
    return request_scope().key(what.kind, identifier, parent)


def _read(what: YamlKind) -> tuple[EntityKey, EntityContent]:
    body = json_body()
    identifier = text(body, "identifier")
    source = text(body, "yaml", "") or _minimal_yaml(what, body)
    inner = parse_yaml(source, what.root)
    for name in ("identifier", "name"):
        if name in inner and str(inner[name]) != text(body, name, str(inner[name])):
            raise HarnessError(
                "INVALID_REQUEST",
                f"{name} in yaml [{inner[name]}] differs from the request's [{body[name]}].",
            )
    parent = ""
    if what.in_environment:
        parent = text(body, "environmentRef", str(inner.get("environmentRef") or ""))
        if not parent:
            raise HarnessError("INVALID_REQUEST", "environmentRef: must not be empty")
    key = body_scope(body).key(what.kind, identifier, parent)
    return key, content({**inner, **body}, yaml=source, stored=inner)


def _minimal_yaml(what: YamlKind, body: JsonObject) -> str:
    names = ("identifier", "name", "type", "description", "tags")
    inner = {name: body[name] for name in names if body.get(name)}
    return pyyaml.safe_dump({what.root: inner}, sort_keys=False)


def _answer(what: YamlKind, entity: Entity) -> JsonObject:
    inner = {**common(entity), "yaml": entity.yaml, **what.wire(entity, entity.body)}
    return {
        what.member: inner,
        "createdAt": millis(entity.created_at),
        "lastModifiedAt": millis(entity.updated_at),
    }


def _service(entity: Entity, stored: JsonObject) -> JsonObject:
    return {
        "deleted": False,
        "version": entity.version,
        "gitOpsEnabled": bool(stored.get("gitOpsEnabled")),
    }


def _environment(entity: Entity, stored: JsonObject) -> JsonObject:
    return {
        "type": stored.get("type"),
        "color": "#0063F7",
        "deleted": False,
        "version": entity.version,
    }


def _infrastructure(entity: Entity, stored: JsonObject) -> JsonObject:
    return {
        "environmentRef": entity.key.parent,
        "type": stored.get("type"),
        "deploymentType": stored.get("deploymentType") or stored.get("type"),
    }


SERVICES = YamlKind(
    kind=EntityKind.SERVICE,
    path="servicesV2",
    root="service",
    member="service",
    wire=_service,
)
ENVIRONMENTS = YamlKind(
    kind=EntityKind.ENVIRONMENT,
    path="environmentsV2",
    root="environment",
    member="environment",
    wire=_environment,
)
INFRASTRUCTURES = YamlKind(
    kind=EntityKind.INFRASTRUCTURE,
    path="infrastructures",
    root="infrastructureDefinition",
    member="infrastructure",
    wire=_infrastructure,
    in_environment=True,
)

blueprints = tuple(map(make_blueprint, (SERVICES, ENVIRONMENTS, INFRASTRUCTURES)))
