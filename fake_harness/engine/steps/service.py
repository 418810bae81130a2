"""The implicit Service step: service, environment, variables, artifacts and manifests.

It reads the entities' YAML once; what it finds is kept on its row as outcomes, so that the
stage goes on unchanged when somebody edits the service meanwhile. An ECR artifact is looked
up by a delegate (`EcrArtifact`), as only a delegate knows the AWS account.
Source: harness.md 3.1 and harness-core ServiceOutcome, EcrArtifactOutcome.
"""

from collections.abc import Mapping, Sequence

from fake_harness.engine import packages
from fake_harness.engine.context import NodeScope, resolve
from fake_harness.engine.deployment import (
    environment_outcome,
    load_environment,
    load_service,
    service_variables,
)
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.manifests import read_manifests
from fake_harness.engine.steps.port import EngineStep, Started, StepContext
from fake_harness.pipeline.plan import JsonObject
from fake_harness.status import Status
from fake_harness.store.delegate_tasks import NewTask, list_tasks


def _start(context: StepContext) -> Started:
    service = load_service(context)
    environment = load_environment(context)
    outcomes: dict[str, object] = {
        "service": {
            "identifier": service["identifier"],
            "name": service.get("name") or service["identifier"],
            "description": service.get("description") or "",
            "type": _definition(service).get("type", ""),
            "tags": service.get("tags") or {},
            "gitOpsEnabled": bool(service.get("gitOpsEnabled")),
        },
        "serviceVariables": service_variables(context, service, environment),
        "artifacts": {},
    }
    if environment:
        outcomes["env"] = environment_outcome(environment)
    scope = context.scope.with_roots(outcomes)
    spec = _spec(service)
    artifacts = [_rendered(item, scope) for item in _artifacts(spec)]
    tasks = tuple(_lookup(context, number, item) for number, item in enumerate(artifacts))
    changes: dict[str, object] = {
        "outcomes": outcomes,
        "resolved_params": {
            **context.params,
            "artifacts": artifacts,
            "manifests": read_manifests(context, spec, scope),
            "ecsTaskDefinitionArn": resolve(spec.get("ecsTaskDefinitionArn"), scope),
        },
    }
    if not tasks:
        return Started(status=Status.SUCCEEDED, changes=changes | _manifest_outcome(changes))
    return Started(status=Status.TASK_WAITING, changes=changes, tasks=tasks)


def _finish(context: StepContext) -> Mapping[str, object]:
    """Put what the delegates found about the artifacts into the outcomes."""
    found = {
        task.id: task.result
        for task in list_tasks(context.connection, context.execution.id)
        if task.node_execution_id == context.row.id and task.result is not None
    }
    primary: JsonObject | None = None
    sidecars: dict[str, object] = {}
    declared = context.row.resolved_params.get("artifacts")
    for number, item in enumerate(declared if isinstance(declared, Sequence) else ()):
        outcome = _artifact_outcome(item, found.get(_task_id(context, number)))
        if item["primary"]:
            primary = outcome
        else:
            sidecars[str(item["identifier"])] = outcome
    artifacts: dict[str, object] = {"sidecars": sidecars}
    if primary is not None:
        artifacts["primary"] = primary
    manifests = _manifest_outcome({"resolved_params": context.row.resolved_params})
    kept = {k: v for k, v in context.row.outcomes.items() if k != "output"}
    return {"outcomes": kept | manifests["outcomes"] | {"artifacts": artifacts}}


def _artifact_outcome(item: JsonObject, result: JsonObject | None) -> JsonObject:
    outputs = (result or {}).get("outputs")
    spec = item["spec"]
    return {
        **(spec if isinstance(spec, Mapping) else {}),
        "identifier": item["identifier"],
        "type": item["type"],
        "primaryArtifact": item["primary"],
        "imagePullSecret": "",
        "label": {},
        "metadata": {},
        **(outputs if isinstance(outputs, Mapping) else {}),
    }


def _manifest_outcome(changes: Mapping[str, object]) -> dict[str, dict[str, object]]:
    params = changes["resolved_params"]
    manifests = params.get("manifests") if isinstance(params, Mapping) else None
    listed: dict[str, object] = {}
    for item in manifests if isinstance(manifests, Sequence) else ():
        listed[str(item["identifier"])] = {
            "identifier": item["identifier"],
            "type": item["type"],
            "store": item["store"],
        }
    before = changes.get("outcomes")
    return {"outcomes": {**(before if isinstance(before, Mapping) else {}), "manifests": listed}}


def _definition(service: JsonObject) -> JsonObject:
    definition = service.get("serviceDefinition")
    return definition if isinstance(definition, Mapping) else {}


def _spec(service: JsonObject) -> JsonObject:
    spec = _definition(service).get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _artifacts(spec: JsonObject) -> list[JsonObject]:
    """Return `{identifier, type, spec, primary}` of the chosen primary and the sidecars."""
    artifacts = spec.get("artifacts")
    if not isinstance(artifacts, Mapping):
        return []
    found: list[JsonObject] = []
    primary = artifacts.get("primary")
    if isinstance(primary, Mapping):
        found.append({**_chosen(primary), "primary": True})
    for item in artifacts.get("sidecars") or ():
        sidecar = item.get("sidecar", item)
        found.append({**sidecar, "primary": False})
    return found


def _chosen(primary: JsonObject) -> JsonObject:
    sources = primary.get("sources")
    if not isinstance(sources, Sequence):
        return {"identifier": "primary", **primary}
    wanted = primary.get("primaryArtifactRef")
    for source in sources:
        if source.get("identifier") == wanted or (len(sources) == 1 and wanted is None):
            return {**source}
    names = ", ".join(str(source.get("identifier")) for source in sources)
    message = f"The service has no artifact source [{wanted}]; it has: {names}."
    raise NodeFailedError(message, "CONFIGURATION_FAILURE")


def _rendered(item: JsonObject, scope: NodeScope) -> JsonObject:
    rendered = resolve(item, scope)
    assert isinstance(rendered, Mapping)  # noqa: S101 - resolve keeps the shape
    if rendered["type"] != "Ecr":
        raise NodeFailedError(
            f"Artifact source type [{rendered['type']}] is not implemented; supported: Ecr.",
            "CONFIGURATION_FAILURE",
        )
    return rendered


def _lookup(context: StepContext, number: int, item: JsonObject) -> NewTask:
    spec = item["spec"]
    source = spec if isinstance(spec, Mapping) else {}
    params = {
        "connector": source.get("connectorRef"),
        "connectorRef": source.get("connectorRef"),
        "region": source.get("region"),
        "imagePath": source.get("imagePath"),
        "tag": source.get("tag"),
        "tagRegex": source.get("tagRegex"),
        "digest": source.get("digest"),
        "registryId": source.get("registryId"),
    }
    task_id = _task_id(context, number)
    return packages.build_task(context, task_id=task_id, task_type="EcrArtifact", params=params)


def _task_id(context: StepContext, number: int) -> str:
    return context.row.id if number == 0 else f"{context.row.id}-{number}"


SERVICE = EngineStep(start=_start, finish=_finish)
