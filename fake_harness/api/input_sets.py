"""Input sets and overlays of a pipeline, and the runtime-input template.

Source: `/pipeline/api/inputSets`, `/v1/orgs/{o}/projects/{p}/input-sets`.
"""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from fake_harness.api.launch import input_layers, merged_layers
from fake_harness.api.pipelines import require_pipeline
from fake_harness.api.wire import (
    Scope,
    backend,
    content,
    json_body,
    millis,
    ng_page,
    now,
    ok,
    page_number,
    page_size,
    parse_yaml,
    path_scope,
    request_scope,
    same_identifier,
    text,
    v1_page,
)
from fake_harness.errors import HarnessError
from fake_harness.pipeline.inputs import input_template, merge_inputs
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.yaml_source import load_yaml
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKind, EntityPage, EntityQuery

blueprint = Blueprint("input_sets", __name__, url_prefix="/pipeline/api/inputSets")
v1 = Blueprint("input_sets_v1", __name__, url_prefix="/v1/orgs/<org>/projects/<project>")

_ROOTS = {EntityKind.INPUT_SET: "inputSet", EntityKind.OVERLAY_INPUT_SET: "overlayInputSet"}


@blueprint.post("/template")
def template() -> ResponseReturnValue:
    """Answer the pipeline pruned to its runtime inputs."""
    with backend().read() as connection:
        entity = require_pipeline(connection, request_scope(), _pipeline())
    text_ = input_template(load_yaml(entity.yaml))
    return ok(
        {
            "inputSetTemplateYaml": text_ or None,
            "inputSetYaml": text_ or None,
            "hasInputSets": bool(_all(request_scope(), entity.identifier)),
            "modules": [],
        }
    )


@blueprint.post("/merge")
@blueprint.post("/mergeWithTemplateYaml")
def merge() -> ResponseReturnValue:
    """Answer the inputs of several input sets as one document; later ones win."""
    body = json_body()
    scope = request_scope()
    with backend().read() as connection:
        entity = require_pipeline(connection, scope, _pipeline())
        layers = input_layers(connection, scope, entity.identifier, _references(body))
    layers.append(text(body, "lastYamlToMerge", ""))
    complete = body.get("withMergedPipelineYaml") is True
    merged = merge_inputs(entity.yaml, layers)
    return ok(
        {
            "isErrorResponse": False,
            "pipelineYaml": merged_layers(layers) or None,
            "completePipelineYaml": merged if complete else None,
            "inputSetErrorWrapper": None,
        }
    )


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Create an input set from a YAML body."""
    scope, pipeline = request_scope(), _pipeline()
    return ok(_wire(_save(scope, pipeline, request.get_data(as_text=True))))


@blueprint.put("/<identifier>")
def update(identifier: str) -> ResponseReturnValue:
    """Replace an input set from a YAML body."""
    scope, pipeline = request_scope(), _pipeline()
    source = request.get_data(as_text=True)
    return ok(_wire(_save(scope, pipeline, source, identifier=identifier)))


@blueprint.post("/overlay")
def create_overlay() -> ResponseReturnValue:
    """Create an overlay input set."""
    source = request.get_data(as_text=True)
    kind = EntityKind.OVERLAY_INPUT_SET
    return ok(_wire(_save(request_scope(), _pipeline(), source, kind=kind)))


@blueprint.put("/overlay/<identifier>")
def update_overlay(identifier: str) -> ResponseReturnValue:
    """Replace an overlay input set."""
    source = request.get_data(as_text=True)
    kind = EntityKind.OVERLAY_INPUT_SET
    entity = _save(request_scope(), _pipeline(), source, identifier=identifier, kind=kind)
    return ok(_wire(entity))


@blueprint.get("/<identifier>")
@blueprint.get("/overlay/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one input set."""
    return ok(_wire(_require(request_scope(), _pipeline(), identifier)))


@blueprint.delete("/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete one input set."""
    entity = _require(request_scope(), _pipeline(), identifier)
    with backend().write() as connection:
        return ok(entities.remove(connection, entity.key))


@blueprint.get("")
def list_input_sets() -> ResponseReturnValue:
    """List the input sets of a pipeline."""
    items = [_wire(item) for item in _all(request_scope(), _pipeline())]
    page, size = page_number(), page_size()
    shown = items[page * size : (page + 1) * size]
    return ok(ng_page(shown, len(items), page=page, size=size))


@v1.post("/input-sets")
def create_v1(org: str, project: str) -> ResponseReturnValue:
    """Create an input set (v1 body)."""
    source = text(json_body(), "input_set_yaml")
    scope = path_scope(org, project)
    entity = _save(scope, request.args.get("pipeline", ""), source)
    return jsonify(_v1(entity)), 201


@v1.get("/input-sets")
def list_v1(org: str, project: str) -> ResponseReturnValue:
    """List the input sets of a pipeline (v1)."""
    items = _all(path_scope(org, project), request.args.get("pipeline", ""))
    page, size = page_number("page"), page_size(default=30)
    shown = items[page * size : (page + 1) * size]
    return v1_page([_v1(item) for item in shown], EntityPage(items=(), total=len(items)))


@v1.get("/input-sets/<identifier>")
def get_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Read one input set (v1)."""
    pipeline = request.args.get("pipeline", "")
    return jsonify(_v1(_require(path_scope(org, project), pipeline, identifier)))


@v1.put("/input-sets/<identifier>")
def update_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Replace one input set (v1)."""
    source = text(json_body(), "input_set_yaml")
    scope = path_scope(org, project)
    pipeline = request.args.get("pipeline", "")
    return jsonify(_v1(_save(scope, pipeline, source, identifier=identifier)))


@v1.delete("/input-sets/<identifier>")
def delete_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Delete one input set (v1)."""
    entity = _require(path_scope(org, project), request.args.get("pipeline", ""), identifier)
    with backend().write() as connection:
        entities.remove(connection, entity.key)
    return "", 204


def _pipeline() -> str:
    identifier = request.args.get("pipelineIdentifier", "")
    if not identifier:
        raise HarnessError("INVALID_REQUEST", "pipelineIdentifier: must not be empty")
    return identifier


def _save(
    scope: Scope,
    pipeline: str,
    source: str,
    *,
    identifier: str = "",
    kind: EntityKind = EntityKind.INPUT_SET,
) -> Entity:
    """Create the input set, or replace the one that `identifier` names.

    Raises:
        YamlInvalidError: it sets what is no runtime input of the pipeline, or sets it wrong.
    """
    body = parse_yaml(source, _ROOTS[kind])
    key = scope.key(kind, text(body, "identifier"), pipeline)
    same_identifier(key.identifier, identifier)
    write = entities.replace if identifier else entities.create
    with backend().write() as connection:
        entity = require_pipeline(connection, scope, pipeline)
        if kind is EntityKind.INPUT_SET:
            merge_inputs(entity.yaml, source)
        else:
            input_layers(connection, scope, pipeline, _references(body))
        return write(connection, key, content(body, yaml=source), now=now())


def _require(scope: Scope, pipeline: str, identifier: str) -> Entity:
    with backend().read() as connection:
        overlay = scope.key(EntityKind.OVERLAY_INPUT_SET, identifier, pipeline)
        found = entities.get(connection, overlay)
        key = scope.key(EntityKind.INPUT_SET, identifier, pipeline)
        return found or entities.require(connection, key)


def _all(scope: Scope, pipeline: str) -> list[Entity]:
    rows: list[Entity] = []
    with backend().read() as connection:
        for kind in _ROOTS:
            query = EntityQuery(
                kind=kind,
                account=scope.account,
                org=scope.org,
                project=scope.project,
                parent=pipeline,
            )
            rows += entities.list_all(connection, query)
    return rows


def _references(body: JsonObject) -> list[str]:
    value = body.get("inputSetReferences")
    return [str(item) for item in value] if isinstance(value, list) else []


def _wire(entity: Entity) -> JsonObject:
    overlay = entity.key.kind == EntityKind.OVERLAY_INPUT_SET
    return {
        "accountId": entity.key.account,
        "orgIdentifier": entity.key.org,
        "projectIdentifier": entity.key.project,
        "pipelineIdentifier": entity.key.parent,
        "identifier": entity.identifier,
        "name": entity.name,
        "description": entity.description,
        "tags": dict(entity.tags),
        "inputSetYaml" if not overlay else "overlayInputSetYaml": entity.yaml,
        "inputSetType": "OVERLAY_INPUT_SET" if overlay else "INPUT_SET",
        "inputSetReferences": entity.body.get("inputSetReferences"),
        "version": entity.version,
        "createdAt": millis(entity.created_at),
        "lastUpdatedAt": millis(entity.updated_at),
    }


def _v1(entity: Entity) -> JsonObject:
    return {
        "identifier": entity.identifier,
        "name": entity.name,
        "description": entity.description,
        "tags": dict(entity.tags),
        "input_set_yaml": entity.yaml,
        "org": entity.key.org,
        "project": entity.key.project,
        "created": millis(entity.created_at),
        "updated": millis(entity.updated_at),
    }
