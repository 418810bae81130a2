"""Blue and green: which service is which, their tags, and what a rollback must know.

Source: harness.md 3.2: names `<service>__1` and `<service>__2`, tag BG_VERSION; target
groups correct the tags, as under Harness's flag CDS_ECS_BG_VALIDATION.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import rules, scaling
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.ecs.rules import ListenerRule, TargetGroups
from fake_harness.delegate.ecs.scaling import Scaling
from fake_harness.delegate.ecs.services import is_active
from fake_harness.delegate.results import JsonObject, StepFailedError

TAG = "BG_VERSION"
BLUE, GREEN = "BLUE", "GREEN"
CREATE_STEP = "EcsBlueGreenCreateService"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldService:
    """The live service as a deployment found it."""

    name: str
    request: JsonObject
    """CreateService; its desiredCount is what a rollback must reach again."""
    scaling: Scaling

    def wire(self) -> JsonObject:
        """Return it as rollback data."""
        return {"name": self.name, "request": self.request, **self.scaling.wire()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What EcsBlueGreenCreateService found and chose; the other steps of the stage read it."""

    load_balancer: str
    prod: ListenerRule
    stage: ListenerRule
    groups: TargetGroups
    is_traffic_shift: bool
    defers_scaling: bool
    """Scaling of the new service is the swap step's."""
    new_service: str
    old: OldService | None
    """None in a first deployment."""

    def wire(self) -> JsonObject:
        """Return it as rollback data."""
        return {
            "loadBalancer": self.load_balancer,
            "prodRule": self.prod.wire(),
            "stageRule": self.stage.wire(),
            "prodTargetGroupArn": self.groups.prod,
            "stageTargetGroupArn": self.groups.stage,
            "isTrafficShift": self.is_traffic_shift,
            "autoScalingInSwapStep": self.defers_scaling,
            "newServiceName": self.new_service,
            "isFirstDeployment": self.old is None,
            "oldService": self.old.wire() if self.old else None,
        }


def other_name(base: str, blue: str | None) -> str:
    """Return the name of the next service: the one that blue does not have."""
    return f"{base}__2" if blue == f"{base}__1" else f"{base}__1"


def blue_of(services: Mapping[str, JsonObject], groups: TargetGroups) -> str | None:
    """Return the name of the live service, or None before the first deployment.

    It is the active one behind the prod target group. With none there, it is the one that
    is tagged BLUE, unless it stands behind the stage target group.
    """
    active = {name: service for name, service in services.items() if is_active(service)}
    for name, service in sorted(active.items()):
        if groups.prod in target_groups(service):
            return name
    for name, service in sorted(active.items()):
        if version_of(service) == BLUE and groups.stage not in target_groups(service):
            return name
    return None


def target_groups(service: JsonObject) -> list[str]:
    """Return the target groups that a service registers its tasks in."""
    rows = service.get("loadBalancers")
    found = rows if isinstance(rows, Sequence) else ()
    return [str(row.get("targetGroupArn")) for row in found]


def version_of(service: JsonObject) -> str:
    """Return BLUE, GREEN or nothing."""
    rows = service.get("tags")
    found = rows if isinstance(rows, Sequence) else ()
    return next((str(tag["value"]) for tag in found if tag.get("key") == TAG), "")


def tag(context: StepContext, aws: Aws, service: JsonObject | None, version: str) -> None:
    """Tag a service as BLUE or GREEN; one that is gone, or has the tag, is left alone."""
    if not is_active(service) or service is None or version_of(service) == version:
        return
    context.log(f"Tagging service {service['serviceName']} with {TAG}={version}")
    aws.ecs.untag_resource(resourceArn=service["serviceArn"], tagKeys=[TAG])
    aws.ecs.tag_resource(resourceArn=service["serviceArn"], tags=[{"key": TAG, "value": version}])


def release_of(context: StepContext) -> Release | None:
    """Return what EcsBlueGreenCreateService left for this step; None when it did not get there.

    Raises:
        StepFailedError: the package says nothing about earlier steps at all.
    """
    if "rollbackData" not in context.params:
        raise StepFailedError("The task package has no params.rollbackData.", "UNKNOWN_FAILURE")
    data = context.mapping("rollbackData").get(CREATE_STEP)
    if not isinstance(data, Mapping) or "newServiceName" not in data:
        return None
    prod, stage = rules.from_wire(data["prodRule"]), rules.from_wire(data["stageRule"])
    if prod is None or stage is None:
        return None
    return Release(
        load_balancer=str(data["loadBalancer"]),
        prod=prod,
        stage=stage,
        groups=TargetGroups(
            prod=str(data["prodTargetGroupArn"]), stage=str(data["stageTargetGroupArn"])
        ),
        is_traffic_shift=bool(data["isTrafficShift"]),
        defers_scaling=bool(data["autoScalingInSwapStep"]),
        new_service=str(data["newServiceName"]),
        old=_old_service(data.get("oldService")),
    )


def required_release(context: StepContext) -> Release:
    """Return what EcsBlueGreenCreateService left.

    Raises:
        StepFailedError: no such step has run in this stage.
    """
    release = release_of(context)
    if release is None:
        message = f"No {CREATE_STEP} step has run in this stage before."
        raise StepFailedError(message, "CONFIGURATION_FAILURE")
    return release


def _old_service(value: object) -> OldService | None:
    if not isinstance(value, Mapping):
        return None
    return OldService(
        name=str(value["name"]), request=value["request"], scaling=scaling.from_wire(value)
    )
