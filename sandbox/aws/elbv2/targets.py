"""Operations on the targets of a group, and the same for ECS (`TargetRegistrar`)."""

import ipaddress
from collections.abc import Callable, Mapping

from sandbox.aws.elbv2 import params
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.health import NOT_REGISTERED, HealthReader
from sandbox.aws.elbv2.publisher import Publisher
from sandbox.aws.elbv2.records import TargetGroup
from sandbox.aws.elbv2.registration import Registrations
from sandbox.aws.elbv2.state import State
from sandbox.aws.ports import Target, TargetGroupInfo, TargetHealth
from sandbox.aws.wire import Handler, RequestContext
from sandbox.clock import Now
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject


class TargetOperations:
    """Handlers; the writing ones run inside `State.change()`."""

    def __init__(self, state: State, registrations: Registrations, health: HealthReader) -> None:
        self._state = state
        self._registrations = registrations
        self._health = health

    def handlers(self) -> Mapping[str, Handler]:
        """Return the operations by name."""
        return {
            "RegisterTargets": self.register,
            "DeregisterTargets": self.deregister,
            "DescribeTargetHealth": self.describe_health,
        }

    def register(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """RegisterTargets: the address given is where the target is really reached."""
        group = self._state.target_group(params.text(request, "TargetGroupArn"))
        for item in params.objects(request, "Targets"):
            target_id, port = _target_key(group, item)
            _check_address(group, target_id)
            target = Target(
                id=target_id,
                port=port,
                address=target_id,
                real_port=port,
                availability_zone=params.text(item, "AvailabilityZone"),
            )
            self._registrations.register(group, target, context.now)
        return {}

    def deregister(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """DeregisterTargets: without a port, every port of that target."""
        group = self._state.target_group(params.text(request, "TargetGroupArn"))
        for item in params.objects(request, "Targets"):
            target_id = params.text(item, "Id")
            port = params.optional_number(item, "Port")
            matching = [
                target
                for target in self._state.targets_of(group.arn)
                if target.id == target_id and port in {None, target.port}
            ]
            if not matching:
                raise AwsError(
                    "InvalidTarget", f"The following targets are not registered: {target_id}"
                )
            for target in matching:
                self._registrations.deregister(group, target.id, target.port, context.now)
        return {}

    def describe_health(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeTargetHealth: of all registered and draining targets, or of those named."""
        group = self._state.target_group(params.text(request, "TargetGroupArn"))
        health = self._health.health(group)
        asked = [_target_key(group, item) for item in params.objects(request, "Targets")]
        zones = {(x.id, x.port): x.availability_zone for x in self._state.targets_of(group.arn)}
        return {
            "TargetHealthDescriptions": [
                _render(group, key, health.get(key, NOT_REGISTERED), zones.get(key, ""))
                for key in (asked or health)
            ]
        }


def _target_key(group: TargetGroup, item: JsonObject) -> tuple[str, int]:
    return params.text(item, "Id"), params.number(item, "Port", group.port)


def _check_address(group: TargetGroup, target_id: str) -> None:
    if group.target_type != "ip":
        raise not_implemented("elbv2", "RegisterTargets", f"TargetType={group.target_type}")
    try:
        ipaddress.IPv4Address(target_id)
    except ValueError:
        raise validation_error(
            f"The IP address '{target_id}' is not a valid IPv4 address"
        ) from None


def _render(
    group: TargetGroup, key: tuple[str, int], health: TargetHealth, zone: str
) -> JsonObject:
    target_id, port = key
    check_port = group.health_check.port
    words: dict[str, object] = {"State": health.state}
    if health.reason:
        words |= {"Reason": health.reason, "Description": health.description}
    return {
        "Target": {
            "Id": target_id,
            "Port": port,
            **({"AvailabilityZone": zone} if zone else {}),
        },
        "HealthCheckPort": str(port) if check_port == "traffic-port" else check_port,
        "TargetHealth": words,
    }


class EcsRegistrar:
    """Implements `TargetRegistrar` (`sandbox/aws/ports.py`); awaits nothing."""

    def __init__(
        self,
        *,
        state: State,
        registrations: Registrations,
        health: HealthReader,
        publisher: Publisher,
        wake: Callable[[], None],
        now: Now,
    ) -> None:
        self._state = state
        self._registrations = registrations
        self._health = health
        self._publisher = publisher
        self._wake = wake
        self._now = now

    def target_group(self, target_group_arn: str) -> TargetGroupInfo | None:
        """Return what ECS must know of a target group, or None."""
        group = self._state.find_target_group(target_group_arn)
        if group is None:
            return None
        return TargetGroupInfo(
            arn=group.arn,
            name=group.name,
            protocol=group.protocol,
            port=group.port,
            target_type=group.target_type,
            vpc_id=group.vpc_id,
            load_balancer_arns=tuple(sorted(self._state.uses().get(group.arn, ()))),
        )

    def register(self, target_group_arn: str, target: Target) -> None:
        """Register one target.

        Raises:
            AwsError: TargetGroupNotFound.

        """
        with self._state.change() as change:
            group = self._state.target_group(target_group_arn)
            self._registrations.register(group, target, self._now())
            if not change.is_empty:
                self._publisher.publish()
        self._wake()

    def deregister(self, target_group_arn: str, target_id: str, port: int) -> None:
        """Start draining one target; an unknown one, or its group, is a no-op."""
        with self._state.change() as change:
            group = self._state.find_target_group(target_group_arn)
            if group is not None:
                self._registrations.deregister(group, target_id, port, self._now())
            if not change.is_empty:
                self._publisher.publish()
        self._wake()

    def health(self, target_group_arn: str) -> Mapping[tuple[str, int], TargetHealth]:
        """Return health by target id and port; empty for an unknown group."""
        group = self._state.find_target_group(target_group_arn)
        return {} if group is None else self._health.health(group)
