"""Whether a task counts as healthy for its service; pure.

Source: ECS developer guide, "Deployment configuration" (the lower limit counts RUNNING tasks whose
container health checks and target groups are healthy; with neither, 40 s after RUNNING).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sandbox.aws.ecs import events
from sandbox.aws.ecs.records import Service, Task, TaskTarget
from sandbox.aws.ports import TargetHealth
from sandbox.clock import TimeScale

SETTLE_S = 40
"""Without any check a task counts this long after RUNNING."""
GRACE_FLOOR_S = 15
"""Processes start in real time: a grace period never shrinks below this (or its own length)."""

TargetHealths = Mapping[str, Mapping[tuple[str, int], TargetHealth]]
"""Target group ARN to its targets' health; a target group that is gone is absent."""


class Verdict(StrEnum):
    """What the scheduler makes of a task."""

    WAITING = "WAITING"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHealth:
    """A verdict and, when unhealthy, AWS's words for it."""

    verdict: Verdict
    stop_reason: str = ""
    event: str = ""
    until: datetime | None = None
    """When the verdict changes by time alone."""


WAITING = TaskHealth(verdict=Verdict.WAITING)
HEALTHY = TaskHealth(verdict=Verdict.HEALTHY)


def judge(
    task: Task, service: Service, targets: TargetHealths, *, now: datetime, scale: TimeScale
) -> TaskHealth:
    """Return the verdict on a task of `service`."""
    if task.last_status != "RUNNING" or task.started_at is None:
        return WAITING
    failure = _container_failure(task, service) or _target_failure(task, service, targets)
    if failure is not None:
        grace_end = task.started_at + _grace(service, scale)
        if now < grace_end:
            return TaskHealth(verdict=Verdict.WAITING, until=grace_end)
        return failure
    if task.health_checked:
        if not task.containers_healthy:
            return WAITING
    elif not task.targets:
        settled = task.started_at + timedelta(seconds=scale.shorten(SETTLE_S))
        return HEALTHY if now >= settled else TaskHealth(verdict=Verdict.WAITING, until=settled)
    passing = all(_passes(_health_of(task, target, targets)) for target in task.targets)
    return HEALTHY if passing else WAITING


def _grace(service: Service, scale: TimeScale) -> timedelta:
    grace_s = service.health_check_grace_period_s or 0
    return timedelta(seconds=max(scale.shorten(grace_s), min(grace_s, GRACE_FLOOR_S)))


def _container_failure(task: Task, service: Service) -> TaskHealth | None:
    if any(c.essential and c.health_status == "UNHEALTHY" for c in task.containers):
        return TaskHealth(
            verdict=Verdict.UNHEALTHY,
            stop_reason="Task failed container health checks",
            event=events.container_unhealthy(service.name, task.id),
        )
    return None


def _target_failure(task: Task, service: Service, targets: TargetHealths) -> TaskHealth | None:
    for target in task.targets:
        health = _health_of(task, target, targets)
        if target.registered and health is not None and health.state == "unhealthy":
            group = target.target_group_arn
            return TaskHealth(
                verdict=Verdict.UNHEALTHY,
                stop_reason=f"Task failed ELB health checks in (target-group {group})",
                event=events.unhealthy(
                    service.name, target.container_port, group, health.description
                ),
            )
    return None


def _health_of(task: Task, target: TaskTarget, targets: TargetHealths) -> TargetHealth | None:
    if task.interface is None:
        return None
    key = (task.interface.private_ipv4_address, target.container_port)
    return targets.get(target.target_group_arn, {}).get(key)


def _passes(health: TargetHealth | None) -> bool:
    """Tell whether a target serves, or is not probed at all.

    Unverified: ECS counts a target of a group that no listener uses, or whose health checks are
    off, as healthy.
    """
    if health is None:
        return False
    return health.state == "healthy" or health.reason in {
        "Target.NotInUse",
        "Target.HealthCheckDisabled",
    }
