"""The ECS manifests of a service as AWS requests; it reads the package and calls nothing.

Source: harness.md 3.1: manifests are API request bodies in YAML or JSON, camelCase;
`cluster` and `taskDefinition` of the service definition are overwritten by the step.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.ecs.shapes import Shape, ShapeError, request_from
from fake_harness.delegate.results import JsonObject, StepFailedError

TARGET_GROUP_PLACEHOLDER = "<+targetGroupArn>"
"""A literal of the blue/green service definition, not an expression."""
_TASK, _SERVICE = "EcsTaskDefinition", "EcsServiceDefinition"
_TARGET, _POLICY = "EcsScalableTargetDefinition", "EcsScalingPolicyDefinition"
_CONFIGURATION = "CONFIGURATION_FAILURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceManifests:
    """Requests as boto3 takes them; names of cluster and resources are the step's to set."""

    task_definition: JsonObject | None
    """RegisterTaskDefinition; None when the service names a registered one."""
    task_definition_arn: str
    service: JsonObject
    scalable_targets: tuple[JsonObject, ...] = ()
    scaling_policies: tuple[JsonObject, ...] = ()

    @property
    def service_name(self) -> str:
        """The name in the service definition, without any suffix."""
        return str(self.service["serviceName"])


def read_manifests(
    context: StepContext, aws: Aws, *, target_group_arn: str = ""
) -> ServiceManifests:
    """Read all manifests of the service.

    Args:
        context: of the step; `params.manifests` and `params.ecsTaskDefinitionArn`.
        aws: for the shapes of requests.
        target_group_arn: replaces `<+targetGroupArn>`, which must be there when it is given.

    Raises:
        StepFailedError: a manifest is missing, unknown or does not fit; it is named.
    """
    found = _by_type(context)
    ecs, scaling = aws.ecs.meta.service_model, aws.scaling.meta.service_model
    arn = str(context.params.get("ecsTaskDefinitionArn") or "")
    service = _one(found, _SERVICE)
    if target_group_arn:
        service = _with_target_group(service, target_group_arn)
    manifests = ServiceManifests(
        task_definition=None if arn else _task_definition(_one(found, _TASK), ecs),
        task_definition_arn=arn,
        service=parse(service, _input(ecs, "CreateService")),
        scalable_targets=_all(found, _TARGET, _input(scaling, "RegisterScalableTarget")),
        scaling_policies=_all(found, _POLICY, _input(scaling, "PutScalingPolicy")),
    )
    if not manifests.service.get("serviceName"):
        identifier = service.get("identifier")
        raise StepFailedError(f"Manifest [{identifier}] has no serviceName.", _CONFIGURATION)
    return manifests


def parse(manifest: JsonObject, shape: Shape, *, left_out: Collection[str] = ()) -> dict[str, Any]:
    """Return the request that a manifest's content is.

    Raises:
        StepFailedError: names the manifest and the key.
    """
    identifier = manifest.get("identifier")
    content = load(str(manifest.get("content") or ""), f"Manifest [{identifier}]")
    kept = {key: value for key, value in content.items() if key not in left_out}
    try:
        return request_from(kept, shape)
    except ShapeError as error:
        message = f"Manifest [{identifier}] ({manifest.get('type')}): {error}."
        raise StepFailedError(message, _CONFIGURATION) from error


def load(text: str, what: str) -> JsonObject:
    """Read YAML or JSON that holds one object.

    Raises:
        StepFailedError: it is neither.
    """
    try:
        # JSON first: it may be indented by tabs, which YAML forbids.
        value = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise StepFailedError(f"{what} cannot be read: {error}", _CONFIGURATION) from error
    if not isinstance(value, Mapping):
        raise StepFailedError(f"{what} holds no object.", _CONFIGURATION)
    return value


def _by_type(context: StepContext) -> dict[str, list[JsonObject]]:
    value = context.params.get("manifests")
    rows = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    found: dict[str, list[JsonObject]] = {}
    for row in rows:
        kind = str(row.get("type"))
        if kind not in {_TASK, _SERVICE, _TARGET, _POLICY}:
            message = f"NotImplemented: manifest [{row.get('identifier')}] of type [{kind}]."
            raise StepFailedError(message, _CONFIGURATION)
        found.setdefault(kind, []).append(row)
        context.log(f"Manifest {row.get('identifier')} ({kind})")
    return found


def _one(found: Mapping[str, list[JsonObject]], kind: str) -> JsonObject:
    rows = found.get(kind, [])
    if len(rows) != 1:
        message = f"The service needs exactly one manifest of type {kind}; it has {len(rows)}."
        raise StepFailedError(message, _CONFIGURATION)
    return rows[0]


def _all(found: Mapping[str, list[JsonObject]], kind: str, shape: Shape) -> tuple[JsonObject, ...]:
    return tuple(parse(row, shape) for row in found.get(kind, []))


def _task_definition(manifest: JsonObject, ecs: Any) -> dict[str, Any]:
    """Read RegisterTaskDefinition; what DescribeTaskDefinition adds to it is left out.

    People save that answer as their manifest, and so do Harness's own samples.
    """
    shape = _input(ecs, "RegisterTaskDefinition")
    added = set(ecs.shape_for("TaskDefinition").members) - set(shape.members)
    return parse(manifest, shape, left_out=added)


def _input(model: Any, operation: str) -> Shape:  # a botocore service model
    return model.operation_model(operation).input_shape


def _with_target_group(manifest: JsonObject, arn: str) -> JsonObject:
    content = str(manifest.get("content") or "")
    if TARGET_GROUP_PLACEHOLDER not in content:
        raise StepFailedError(
            f"InvalidRequestException: target group expression: {TARGET_GROUP_PLACEHOLDER} "
            f"does not exist in service definition [{manifest.get('identifier')}]",
            _CONFIGURATION,
        )
    return {**manifest, "content": content.replace(TARGET_GROUP_PLACEHOLDER, arn)}
