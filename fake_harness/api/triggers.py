"""Triggers of a pipeline. Source: `/pipeline/api/triggers`; bodies are YAML."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from fake_harness.api.pipelines import require_pipeline
from fake_harness.api.wire import (
    backend,
    content,
    millis,
    ng_page,
    now,
    ok,
    page_number,
    page_size,
    parse_yaml,
    request_scope,
    same_identifier,
    text,
)
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.triggers import parse_trigger
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKey, EntityKind, EntityQuery

blueprint = Blueprint("triggers", __name__, url_prefix="/pipeline/api/triggers")


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Create a trigger; a YAML body, whatever its content type says."""
    return ok(_save(exists=False))


@blueprint.put("/<identifier>")
def update(identifier: str) -> ResponseReturnValue:
    """Replace a trigger."""
    return ok(_save(exists=True, identifier=identifier))


@blueprint.get("/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one trigger."""
    with backend().read() as connection:
        return ok(_wire(entities.require(connection, _key(identifier))))


@blueprint.get("/<identifier>/details")
def details(identifier: str) -> ResponseReturnValue:
    """Read one trigger's details."""
    with backend().read() as connection:
        entity = entities.require(connection, _key(identifier))
    return ok({**_summary(entity), "yaml": entity.yaml})


@blueprint.delete("/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete one trigger."""
    with backend().write() as connection:
        key = _key(identifier)
        entities.require(connection, key)
        return ok(entities.remove(connection, key))


@blueprint.get("")
def list_triggers() -> ResponseReturnValue:
    """List the triggers of a pipeline."""
    scope = request_scope()
    query = EntityQuery(
        kind=EntityKind.TRIGGER,
        account=scope.account,
        org=scope.org,
        project=scope.project,
        parent=_pipeline(),
    )
    page, size = page_number(), page_size()
    with backend().read() as connection:
        found = entities.list_page(connection, query, page=page, size=size)
    items = [_summary(item) for item in found.items]
    return ok(ng_page(items, found.total, page=page, size=size))


def _pipeline() -> str:
    identifier = request.args.get("targetIdentifier", "")
    if not identifier:
        raise HarnessError("INVALID_REQUEST", "targetIdentifier: must not be empty")
    return identifier


def _key(identifier: str) -> EntityKey:
    return request_scope().key(EntityKind.TRIGGER, identifier, _pipeline())


def _save(*, exists: bool, identifier: str = "") -> JsonObject:
    source = request.get_data(as_text=True)
    parse_trigger(source)
    body = parse_yaml(source, "trigger")
    pipeline = _pipeline()
    named = text(body, "pipelineIdentifier", pipeline)
    if named != pipeline:
        message = f"pipelineIdentifier in yaml [{named}] differs from targetIdentifier [{pipeline}]"
        raise HarnessError("INVALID_REQUEST", message)
    key = _key(text(body, "identifier"))
    same_identifier(key.identifier, identifier)
    write = entities.replace if exists else entities.create
    with backend().write() as connection:
        require_pipeline(connection, request_scope(), pipeline)
        return _wire(write(connection, key, content(body, yaml=source), now=now()))


def _wire(entity: Entity) -> JsonObject:
    return {
        "name": entity.name,
        "identifier": entity.identifier,
        "description": entity.description,
        "accountIdentifier": entity.key.account,
        "orgIdentifier": entity.key.org,
        "projectIdentifier": entity.key.project,
        "targetIdentifier": entity.key.parent,
        "type": _source_type(entity),
        "yaml": entity.yaml,
        "version": entity.version,
        "enabled": entity.body.get("enabled", True),
        "webhookUrl": f"{backend().settings.public_url}/ng/api/webhook"
        f"?accountIdentifier={entity.key.account}",
    }


def _summary(entity: Entity) -> JsonObject:
    return {
        "name": entity.name,
        "identifier": entity.identifier,
        "description": entity.description,
        "type": _source_type(entity),
        "enabled": entity.body.get("enabled", True),
        "createdAt": millis(entity.created_at),
        "webhookUrl": _wire(entity)["webhookUrl"],
        "tags": dict(entity.tags),
    }


def _source_type(entity: Entity) -> object:
    source = entity.body.get("source")
    return source.get("type") if isinstance(source, dict) else None
