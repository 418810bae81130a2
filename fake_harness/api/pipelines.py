"""Pipelines: the NG routes and the v1 routes over the same entities.

A pipeline is linted on every save; errors that Harness itself would refuse on save are
refused with its schema-error envelope, what only a run would find is refused too and
labelled. Source: `/pipeline/api/pipelines`, `/v1/orgs/{o}/projects/{p}/pipelines`.
"""

import uuid
from dataclasses import asdict, replace

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.templates import expand
from fake_harness.api.wire import (
    Scope,
    backend,
    content,
    json_body,
    millis,
    now,
    ok,
    page_number,
    page_size,
    parse_yaml,
    path_scope,
    request_scope,
    same_identifier,
    spring_page,
    tags,
    text,
    v1_page,
)
from fake_harness.errors import HarnessError, SchemaProblem, YamlInvalidError
from fake_harness.pipeline.lint import lint_pipeline
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.yaml_source import load_yaml
from fake_harness.store import entities
from fake_harness.store.entities import (
    Entity,
    EntityContent,
    EntityKey,
    EntityKind,
    EntityPage,
    EntityQuery,
)

blueprint = Blueprint("pipelines", __name__, url_prefix="/pipeline/api")
v1 = Blueprint("pipelines_v1", __name__, url_prefix="/v1/orgs/<org>/projects/<project>")


@blueprint.post("/pipelines/v2")
@blueprint.post("/pipelines")
def create() -> ResponseReturnValue:
    """Create a pipeline from a YAML body."""
    entity = save(request_scope(), request.get_data(as_text=True), exists=False)
    return ok({"identifier": entity.identifier, "governanceMetadata": None})


@blueprint.put("/pipelines/v2/<identifier>")
@blueprint.put("/pipelines/<identifier>")
def update(identifier: str) -> ResponseReturnValue:
    """Replace a pipeline from a YAML body."""
    source = request.get_data(as_text=True)
    entity = save(request_scope(), source, exists=True, identifier=identifier)
    return ok({"identifier": entity.identifier, "governanceMetadata": None})


@blueprint.get("/pipelines/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one pipeline."""
    with backend().read() as connection:
        entity = require_pipeline(connection, request_scope(), identifier)
        resolved = expand(connection, request_scope(), entity.yaml)
    return ok(
        {
            "yamlPipeline": entity.yaml,
            "resolvedTemplatesPipelineYaml": resolved,
            "version": entity.version,
            "modules": list(_modules(entity)),
            "validateTemplateReconcileResponseDTO": None,
            "storeType": "INLINE",
        }
    )


@blueprint.get("/pipelines/summary/<identifier>")
def summary(identifier: str) -> ResponseReturnValue:
    """Read one pipeline's summary."""
    with backend().read() as connection:
        return ok(_summary(require_pipeline(connection, request_scope(), identifier)))


@blueprint.delete("/pipelines/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete a pipeline with its input sets and triggers."""
    _delete(request_scope(), identifier)
    return ok(data=True)


@blueprint.post("/pipelines/list")
def list_pipelines() -> ResponseReturnValue:
    """List the pipelines of a project."""
    page, size = page_number(), page_size(default=25)
    found = _page(request_scope(), page, size)
    return ok(spring_page([_summary(e) for e in found.items], found.total, page=page, size=size))


@blueprint.post("/pipelines/validate-yaml-with-schema")
def validate_yaml() -> ResponseReturnValue:
    """Lint a YAML body."""
    refuse_problems(lint_source(request.get_data(as_text=True), request_scope()))
    return ok(data=True)


@blueprint.post("/v1/orgs/<org>/projects/<project>/dry-run")
def dry_run(org: str, project: str) -> ResponseReturnValue:
    """Lint without saving; every problem with its place.

    Source: developer hub, "Validate pipeline changes with dry run".
    """
    problems = lint_source(text(json_body(), "pipelineYaml"), path_scope(org, project))
    rows = [
        {
            "type": "SCHEMA",
            "severity": problem.severity,
            "message": problem.message,
            "location": {"yamlPath": problem.yaml_path, "line": problem.line},
            "source": problem.source,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    valid = not any(p.severity == "ERROR" for p in problems)
    return jsonify(validationIdentifier=str(uuid.uuid4()), valid=valid, validationResults=rows)


@v1.post("/pipelines")
def create_v1(org: str, project: str) -> ResponseReturnValue:
    """Create a pipeline (v1 body)."""
    entity = save(path_scope(org, project), text(json_body(), "pipeline_yaml"), exists=False)
    return jsonify(identifier=entity.identifier), 201


@v1.get("/pipelines")
def list_v1(org: str, project: str) -> ResponseReturnValue:
    """List pipelines (v1)."""
    found = _page(path_scope(org, project), page_number("page"), page_size(default=30))
    return v1_page([_v1(item) for item in found.items], found)


@v1.get("/pipelines/<identifier>")
def get_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Read one pipeline (v1)."""
    with backend().read() as connection:
        entity = require_pipeline(connection, path_scope(org, project), identifier)
    return jsonify(_v1(entity))


@v1.put("/pipelines/<identifier>")
def update_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Replace one pipeline (v1)."""
    source = text(json_body(), "pipeline_yaml")
    entity = save(path_scope(org, project), source, exists=True, identifier=identifier)
    return jsonify(identifier=entity.identifier)


@v1.delete("/pipelines/<identifier>")
def delete_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Delete one pipeline (v1)."""
    _delete(path_scope(org, project), identifier)
    return "", 204


def save(scope: Scope, source: str, *, exists: bool, identifier: str = "") -> Entity:
    """Lint and store a pipeline.

    Raises:
        YamlInvalidError: carries every problem.
        HarnessError: the identifier differs from the path's, is taken, or is unknown.
    """
    refuse_problems(lint_source(source, scope))
    body = parse_yaml(source, "pipeline")
    name = text(body, "identifier")
    same_identifier(name, identifier)
    for member, named in (("orgIdentifier", scope.org), ("projectIdentifier", scope.project)):
        if named and text(body, member, named) != named:
            message = f"{member} in yaml [{body[member]}] differs from the request's [{named}]."
            raise HarnessError("INVALID_REQUEST", message)
    place = Scope(
        account=scope.account,
        org=scope.org or text(body, "orgIdentifier", ""),
        project=scope.project or text(body, "projectIdentifier", ""),
    )
    wanted = _content(body, source)
    write = entities.replace if exists else entities.create
    with backend().write() as connection:
        key = place.key(EntityKind.PIPELINE, name)
        return write(connection, key, wanted, now=now())


def lint_source(source: str, scope: Scope) -> list[SchemaProblem]:
    """Return every problem of a pipeline's YAML; a malformed document is one problem.

    Templates are put in place first; problems of such a pipeline have no lines.
    """
    try:
        with backend().read() as connection:
            expanded = expand(connection, scope, source)
        problems = lint_pipeline(load_yaml(expanded))
        return problems if expanded == source else [replace(p, line=None) for p in problems]
    except YamlInvalidError as error:
        return list(error.problems)


def refuse_problems(problems: list[SchemaProblem]) -> None:
    """Raise YamlInvalidError when one of the problems is an error."""
    errors = tuple(p for p in problems if p.severity == "ERROR")
    if errors:
        raise YamlInvalidError(errors)


def require_pipeline(connection: Connection, scope: Scope, identifier: str) -> Entity:
    """Return one pipeline of the scope, or raise Harness's not-found."""
    return entities.require(connection, scope.key(EntityKind.PIPELINE, identifier))


def problem_wire(problem: SchemaProblem) -> JsonObject:
    """Build one `schemaErrors` entry of the error envelope's metadata."""
    return {
        "message": problem.message,
        "messageWithFQN": f"{problem.fqn or problem.yaml_path}: {problem.message}",
        "fqn": problem.fqn or problem.yaml_path,
        "hintMessage": problem.hint,
        **{k: v for k, v in asdict(problem).items() if k in {"yaml_path", "line", "source"}},
    }


def _content(body: JsonObject, source: str) -> EntityContent:
    stages = body.get("stages")
    kinds = sorted(_stage_types(stages))
    stored = {"identifier": body["identifier"], "stageTypes": kinds, "stageCount": len(kinds)}
    return content(body, yaml=source, stored=stored)


def _stage_types(stages: object) -> set[str]:
    found: set[str] = set()
    for item in stages if isinstance(stages, list) else []:
        if "parallel" in item:
            found |= _stage_types(item["parallel"])
        elif isinstance(item.get("stage"), dict):
            found.add(str(item["stage"].get("type")))
    return found


def _modules(entity: Entity) -> tuple[str, ...]:
    kinds = entity.body.get("stageTypes")
    words = {"CI": "ci", "Deployment": "cd"}
    names = kinds if isinstance(kinds, list) else []
    return tuple(words[kind] for kind in names if kind in words) or ("pms",)


def _page(scope: Scope, page: int, size: int) -> EntityPage:
    query = EntityQuery(
        kind=EntityKind.PIPELINE,
        account=scope.account,
        org=scope.org,
        project=scope.project,
        search=request.args.get("searchTerm", ""),
    )
    with backend().read() as connection:
        return entities.list_page(connection, query, page=page, size=size)


def _delete(scope: Scope, identifier: str) -> None:
    key: EntityKey = scope.key(EntityKind.PIPELINE, identifier)
    with backend().write() as connection:
        entities.require(connection, key)
        for kind in (EntityKind.INPUT_SET, EntityKind.OVERLAY_INPUT_SET, EntityKind.TRIGGER):
            entities.remove_children(connection, kind, of=key)
        entities.remove(connection, key)


def _summary(entity: Entity) -> JsonObject:
    return {
        "name": entity.name,
        "identifier": entity.identifier,
        "description": entity.description,
        "tags": dict(entity.tags),
        "version": entity.version,
        "numOfStages": entity.body.get("stageCount"),
        "createdAt": millis(entity.created_at),
        "lastUpdatedAt": millis(entity.updated_at),
        "modules": list(_modules(entity)),
        "storeType": "INLINE",
    }


def _v1(entity: Entity) -> JsonObject:
    return {
        "identifier": entity.identifier,
        "name": entity.name,
        "description": entity.description,
        "tags": tags({"tags": entity.tags}),
        "pipeline_yaml": entity.yaml,
        "org": entity.key.org,
        "project": entity.key.project,
        "created": millis(entity.created_at),
        "updated": millis(entity.updated_at),
        "modules": list(_modules(entity)),
        "store_type": "INLINE",
    }
