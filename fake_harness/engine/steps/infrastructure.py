"""The implicit Infrastructure step: where the stage deploys to.

Source: harness-core EcsInfrastructureOutcome.
"""

import hashlib
from collections.abc import Mapping

from fake_harness.engine.context import resolve
from fake_harness.engine.deployment import (
    environment_outcome,
    load_environment,
    load_infrastructure,
)
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.steps.port import EngineStep, Started, StepContext
from fake_harness.status import Status


def _start(context: StepContext) -> Started:
    environment = environment_outcome(_environment(context))
    document = load_infrastructure(context)
    if document.get("type") != "ECS":
        message = f"Infrastructure type [{document.get('type')}] is not implemented; it has ECS."
        raise NodeFailedError(message, "CONFIGURATION_FAILURE")
    spec = resolve(document.get("spec"), context.scope.with_roots({"env": environment}))
    if not isinstance(spec, Mapping):
        raise NodeFailedError("The infrastructure definition has no spec.")
    key = _key(context, str(environment["identifier"]), spec)
    infra: dict[str, object] = {
        "environment": environment,
        "infrastructureKey": key,
        "infrastructureKeyShort": key[:6],
        "connectorRef": spec.get("connectorRef"),
        "region": spec.get("region"),
        "cluster": spec.get("cluster"),
        "infraIdentifier": document["identifier"],
        "infraName": document.get("name"),
        "name": document.get("name"),
    }
    outcomes = {"env": environment, "infra": infra, "output": infra}
    return Started(status=Status.SUCCEEDED, changes={"outcomes": outcomes})


def _environment(context: StepContext) -> Mapping[str, object]:
    environment = load_environment(context)
    if not environment:
        raise NodeFailedError("The stage names no environment.", "CONFIGURATION_FAILURE")
    return environment


def _key(context: StepContext, environment: str, spec: Mapping[str, object]) -> str:
    service = context.scope.stage_outcome("service")
    name = service["identifier"] if isinstance(service, Mapping) else ""
    parts = (name, environment, spec.get("connectorRef"), spec.get("region"), spec.get("cluster"))
    return hashlib.sha256("-".join(map(str, parts)).encode()).hexdigest()[:40]


INFRASTRUCTURE = EngineStep(start=_start)
