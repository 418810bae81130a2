"""Application Auto Scaling of a service: remember it, take it away, put it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.ecs.shapes import filtered
from fake_harness.delegate.results import JsonObject

_NAMESPACE = "ecs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Scalable targets and policies as requests, resource left out; JSON throughout."""

    targets: tuple[JsonObject, ...] = ()
    policies: tuple[JsonObject, ...] = ()

    def wire(self) -> JsonObject:
        """Return it as rollback data."""
        return {"scalableTargets": list(self.targets), "scalingPolicies": list(self.policies)}


def from_wire(value: object) -> Scaling:
    """Read rollback data."""
    data = value if isinstance(value, Mapping) else {}
    return Scaling(
        targets=tuple(data.get("scalableTargets") or ()),
        policies=tuple(data.get("scalingPolicies") or ()),
    )


def capture(aws: Aws, service_name: str) -> Scaling:
    """Return the scaling that a service has."""
    targets = _targets(aws, service_name)
    policies = _policies(aws, service_name)
    shapes = aws.scaling.meta.service_model
    target = shapes.operation_model("RegisterScalableTarget").input_shape
    policy = shapes.operation_model("PutScalingPolicy").input_shape
    return Scaling(
        targets=tuple(_without_resource(filtered(row, target)) for row in targets),
        policies=tuple(_without_resource(filtered(row, policy)) for row in policies),
    )


def remove(context: StepContext, aws: Aws, service_name: str) -> None:
    """Delete the policies, then the targets, so that nothing else moves the desired count."""
    for row in _policies(aws, service_name):
        context.log(f"Deleting scaling policy {row['PolicyName']} of service {service_name}")
        aws.scaling.delete_scaling_policy(
            PolicyName=row["PolicyName"],
            ServiceNamespace=row["ServiceNamespace"],
            ResourceId=row["ResourceId"],
            ScalableDimension=row["ScalableDimension"],
        )
    for row in _targets(aws, service_name):
        context.log(f"Deregistering scalable target of service {service_name}")
        aws.scaling.deregister_scalable_target(
            ServiceNamespace=row["ServiceNamespace"],
            ResourceId=row["ResourceId"],
            ScalableDimension=row["ScalableDimension"],
        )


def apply(context: StepContext, aws: Aws, service_name: str, scaling: Scaling) -> None:
    """Register the targets, then put the policies; both overwrite what is there."""
    resource = _resource(aws, service_name)
    for target in scaling.targets:
        context.log(f"Registering scalable target for service {service_name}")
        aws.scaling.register_scalable_target(**{**target, "ResourceId": resource})
    for policy in scaling.policies:
        context.log(f"Putting scaling policy {policy.get('PolicyName')} on {service_name}")
        aws.scaling.put_scaling_policy(**{**policy, "ResourceId": resource})


def _targets(aws: Aws, service_name: str) -> Sequence[Mapping[str, Any]]:
    answer = aws.scaling.describe_scalable_targets(
        ServiceNamespace=_NAMESPACE, ResourceIds=[_resource(aws, service_name)]
    )
    found: Sequence[Mapping[str, Any]] = answer["ScalableTargets"]
    return found


def _policies(aws: Aws, service_name: str) -> Sequence[Mapping[str, Any]]:
    answer = aws.scaling.describe_scaling_policies(
        ServiceNamespace=_NAMESPACE, ResourceId=_resource(aws, service_name)
    )
    found: Sequence[Mapping[str, Any]] = answer["ScalingPolicies"]
    return found


def _resource(aws: Aws, service_name: str) -> str:
    return f"service/{aws.cluster.rpartition('/')[2]}/{service_name}"


def _without_resource(request: JsonObject) -> JsonObject:
    return {key: value for key, value in request.items() if key not in {"ResourceId", "RoleARN"}}
