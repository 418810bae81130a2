"""Reads what a Deployment stage names: service, environment, infrastructure, overrides."""

from collections.abc import Mapping, Sequence

import yaml

from fake_harness.engine.context import resolve
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.overlay import overlay, unfilled
from fake_harness.engine.steps.port import StepContext
from fake_harness.engine.tree import variable_value
from fake_harness.pipeline.plan import JsonObject, PlanNode
from fake_harness.store import entities
from fake_harness.store.entities import EntityKey, EntityKind, scoped_key

_CONFIGURATION = "CONFIGURATION_FAILURE"


def load_service(context: StepContext) -> JsonObject:
    """Return the `service` document of the stage, its inputs laid over it."""
    params = _followed(context, context.params, "Service")
    reference = params.get("serviceRef")
    if not isinstance(reference, str) or not reference:
        raise NodeFailedError("The stage names no service (serviceRef).", _CONFIGURATION)
    key = _key(context, EntityKind.SERVICE, reference)
    return _document(context, key, "service", params.get("serviceInputs"))


def load_environment(context: StepContext) -> JsonObject:
    """Return the `environment` document of the stage; empty when it names none."""
    params = environment_params(context)
    reference = params.get("environmentRef")
    if not isinstance(reference, str) or not reference:
        return {}
    key = _key(context, EntityKind.ENVIRONMENT, reference)
    document = _document(context, key, "environment", params.get("environmentInputs"))
    return {**document, "environmentRef": reference}


def load_infrastructure(context: StepContext) -> JsonObject:
    """Return the `infrastructureDefinition` document that the stage deploys to."""
    params = environment_params(context)
    reference = str(params.get("environmentRef") or "")
    chosen = params.get("infrastructureDefinitions")
    first = chosen[0] if isinstance(chosen, Sequence) and chosen else None
    if not reference or not isinstance(first, Mapping) or not first.get("identifier"):
        message = "The stage names no environment and infrastructure definition."
        raise NodeFailedError(message, _CONFIGURATION)
    environment = _key(context, EntityKind.ENVIRONMENT, reference)
    key = EntityKey(
        kind=EntityKind.INFRASTRUCTURE,
        account=environment.account,
        org=environment.org,
        project=environment.project,
        parent=environment.identifier,
        identifier=str(first["identifier"]),
    )
    return _document(context, key, "infrastructureDefinition", first.get("inputs"))


def environment_params(context: StepContext) -> JsonObject:
    """Return the rendered params of the stage's Infrastructure step, seen from any step."""
    node = _implicit(context, context.place.node, "Infrastructure")
    if node is None:
        return {}
    params = resolve(node.params, context.scope)
    assert isinstance(params, Mapping)  # noqa: S101 - resolve keeps the shape
    return _followed(context, params, "Infrastructure")


def environment_outcome(environment: JsonObject) -> JsonObject:
    """Return `env`. Source: harness-core EnvironmentOutcome."""
    identifier = environment["identifier"]
    return {
        "name": environment.get("name") or identifier,
        "identifier": identifier,
        "description": environment.get("description") or "",
        "type": environment.get("type") or "",
        "tags": environment.get("tags") or {},
        "environmentRef": environment["environmentRef"],
        "variables": _variables(environment.get("variables")),
        "envGroupRef": "",
        "envGroupName": "",
    }


def service_variables(
    context: StepContext, service: JsonObject, environment: JsonObject
) -> dict[str, object]:
    """Return the service's variables, overridden for the environment."""
    definition = service.get("serviceDefinition")
    spec = definition.get("spec") if isinstance(definition, Mapping) else None
    variables = _variables(spec.get("variables") if isinstance(spec, Mapping) else None)
    if environment:
        variables |= _overrides(context, str(service["identifier"]), str(environment["identifier"]))
        inputs = environment_params(context).get("serviceOverrideInputs")
        if isinstance(inputs, Mapping):
            variables |= _variables(inputs.get("variables"))
    return variables


def _overrides(context: StepContext, service: str, environment: str) -> dict[str, object]:
    key = _key(context, EntityKind.SERVICE_OVERRIDE, service, parent=environment)
    entity = entities.get(context.connection, key)
    if entity is None:
        return {}
    document = yaml.safe_load(entity.yaml)
    inner = document.get("serviceOverrides", document) if isinstance(document, Mapping) else {}
    return _variables(inner.get("variables"))


def _variables(declared: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for item in declared if isinstance(declared, Sequence) else ():
        value = item.get("value")
        default = item.get("default")
        chosen = default if value in {None, ""} and default is not None else value
        found[str(item["name"])] = variable_value(str(item.get("type", "String")), chosen)
    return found


def _key(context: StepContext, kind: EntityKind, reference: str, parent: str = "") -> EntityKey:
    execution = context.execution
    return scoped_key(
        kind,
        reference,
        account=execution.account,
        org=execution.org,
        project=execution.project,
        parent=parent,
    )


def _document(context: StepContext, key: EntityKey, top: str, inputs: object) -> JsonObject:
    entity = entities.get(context.connection, key)
    if entity is None:
        message = f"{key.kind.capitalize()} with identifier [{key.identifier}] not found."
        raise NodeFailedError(message, _CONFIGURATION)
    loaded = yaml.safe_load(entity.yaml)
    document = loaded.get(top) if isinstance(loaded, Mapping) else None
    if not isinstance(document, Mapping):
        message = f"The YAML of {key.kind} [{key.identifier}] has no key [{top}]."
        raise NodeFailedError(message, _CONFIGURATION)
    merged = overlay(document, inputs)
    missing = list(unfilled(merged))
    if missing:
        raise NodeFailedError(
            f"{key.kind.capitalize()} [{key.identifier}] needs runtime inputs that the stage "
            f"does not give: {', '.join(missing)}.",
            _CONFIGURATION,
        )
    assert isinstance(merged, Mapping)  # noqa: S101 - overlay keeps the shape
    return {"identifier": entity.identifier, "name": entity.name, **merged}


def _implicit(context: StepContext, node: PlanNode, kind: str) -> PlanNode | None:
    stage = context.index.stage_of(node)
    children = stage.children if stage is not None else ()
    return next((child for child in children if child.type == kind), None)


def _followed(context: StepContext, params: JsonObject, kind: str) -> JsonObject:
    """Return the params of the stage that `useFromStage` names, or `params`."""
    source = params.get("useFromStage")
    wanted = source.get("stage") if isinstance(source, Mapping) else None
    if wanted is None:
        return params
    for node in context.index.by_id.values():
        if node.type == kind and _stage_name(context, node) == wanted:
            rendered = resolve(node.params, context.scope)
            assert isinstance(rendered, Mapping)  # noqa: S101 - resolve keeps the shape
            return rendered
    message = f"useFromStage names stage [{wanted}], which does not deploy."
    raise NodeFailedError(message, _CONFIGURATION)


def _stage_name(context: StepContext, node: PlanNode) -> str:
    stage = context.index.stage_of(node)
    return "" if stage is None else stage.identifier
