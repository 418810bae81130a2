"""How a service's deployments change: begun, failed, rolled back, completed; pure.

Source: ECS developer guide, "Rolling deployments" and "Deployment circuit breaker".
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.records import Deployment, DeploymentConfiguration, Revision, Service
from sandbox.clock import TimeScale

MAX_BACK_OFF_S = 900
IMPAIRED_AFTER = 3
"""Failures in a row after which ECS says that it cannot start tasks. Unverified: the number."""


def begin(service: Service, revision: Revision, deployment_id: str, now: datetime) -> Service:
    """Make `revision` the PRIMARY deployment; those before it become ACTIVE."""
    primary = Deployment(
        id=deployment_id,
        status="PRIMARY",
        revision=revision,
        created_at=now,
        updated_at=now,
        rollout_reason=f"ECS deployment {deployment_id} in progress.",
    )
    older = tuple(replace(d, status="ACTIVE", updated_at=now) for d in service.deployments)
    return replace(service, deployments=(primary, *older), steady_since=None)


def complete(service: Service, now: datetime) -> Service:
    """Mark the PRIMARY deployment done and drop the others."""
    primary = replace(
        service.primary,
        rollout_state="COMPLETED",
        rollout_reason=f"ECS deployment {service.primary.id} completed.",
        updated_at=now,
    )
    return replace(service, deployments=(primary,), last_completed=primary)


def count_failure(deployment: Deployment, now: datetime, scale: TimeScale) -> Deployment:
    """Count one failed task and set the back-off."""
    failures = deployment.failed_tasks + 1
    delay = timedelta(seconds=scale.shorten(back_off_s(failures)))
    return replace(deployment, failed_tasks=failures, next_start_at=now + delay, updated_at=now)


def count_healthy(deployment: Deployment) -> Deployment:
    """Forget the failures: a task became healthy."""
    return replace(deployment, failed_tasks=0, next_start_at=None, impaired_reported=False)


def back_off_s(failures: int) -> float:
    """Return how long ECS waits before the next start after `failures` in a row.

    Source: ECS developer guide, "Service throttle logic": restarts slow down to every 15 minutes.
    Unverified: the steps below that.
    """
    if failures < IMPAIRED_AFTER:
        return 1
    return min(MAX_BACK_OFF_S, 10.0 * 2.0 ** min(failures - IMPAIRED_AFTER, 10))


def failure_threshold(configuration: DeploymentConfiguration, desired_count: int) -> int:
    """Return how many failed tasks trip the circuit breaker."""
    given = configuration.breaker_threshold or {}
    kind = p.text(given, "type", "BOUNDED_PERCENT")
    value = p.integer(given, "value")
    if kind == "COUNT":
        return max(1, value or 1)
    wanted = math.ceil((50 if value is None else value) / 100 * desired_count)
    return max(1, wanted) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, wanted))


def fail(service: Service, now: datetime) -> Service:
    """Give the PRIMARY deployment up, with nowhere to go back to: it stalls."""
    primary = replace(
        service.primary,
        rollout_state="FAILED",
        rollout_reason="ECS deployment circuit breaker: tasks failed to start.",
        updated_at=now,
    )
    return replace(service, deployments=(primary, *service.deployments[1:]))


def roll_back(service: Service, target: Deployment, now: datetime) -> Service:
    """Make the last completed deployment PRIMARY again."""
    failed = fail(service, now)
    back = replace(
        count_healthy(target),
        status="PRIMARY",
        rollout_state="IN_PROGRESS",
        rollout_reason=(
            f"ECS deployment circuit breaker: rolling back to deploymentId {target.id}."
        ),
        stall_reported=False,
        updated_at=now,
    )
    others = tuple(replace(d, status="ACTIVE") for d in failed.deployments if d.id != target.id)
    return replace(failed, deployments=(back, *others), steady_since=None)


def change_deployment(service: Service, changed: Deployment) -> Service:
    """Put `changed` in the place of the deployment with its id."""
    deployments = tuple(changed if d.id == changed.id else d for d in service.deployments)
    return replace(service, deployments=deployments)
