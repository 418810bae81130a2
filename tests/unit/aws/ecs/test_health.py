"""When a task counts as healthy."""

from dataclasses import replace
from datetime import timedelta

import pytest
from ecs_builders import GROUP, NOW, TARGET_STATES, service, task

from sandbox.aws.ecs.health import Verdict, judge
from sandbox.aws.ecs.records import Container, Service, Task
from sandbox.aws.ports import TargetHealth
from sandbox.clock import TimeScale

BARE = replace(task(1), targets=())


def verdict(
    given: Task, target: TargetHealth | None = None, scale: float = 1, **changes: object
) -> Verdict:
    of: Service = service(1, **changes)  # type: ignore[arg-type]
    health = {GROUP: {("new1", 80): target} if target else {}}
    return judge(given, of, health, now=NOW, scale=TimeScale(scale)).verdict


def checked(status: str) -> Task:
    container = Container(
        arn="c", name="web", image="w", has_health_check=True, health_status=status
    )
    return replace(BARE, containers=(container,))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, Verdict.WAITING),
        (TARGET_STATES["waiting"], Verdict.WAITING),
        (TARGET_STATES["healthy"], Verdict.HEALTHY),
        (TARGET_STATES["unhealthy"], Verdict.UNHEALTHY),
        (TargetHealth(state="unused", reason="Target.NotInUse"), Verdict.HEALTHY),
        (TargetHealth(state="unused", reason="Target.NotRegistered"), Verdict.WAITING),
        (TargetHealth(state="unavailable", reason="Target.HealthCheckDisabled"), Verdict.HEALTHY),
        (TargetHealth(state="draining"), Verdict.WAITING),
    ],
)
def test_target_decides(target: TargetHealth | None, expected: Verdict) -> None:
    assert verdict(task(1), target) is expected


@pytest.mark.parametrize("status", ["HEALTHY", "UNHEALTHY", "UNKNOWN"])
def test_container_health_check_decides(status: str) -> None:
    expected = {"UNKNOWN": Verdict.WAITING}.get(status) or Verdict(status)
    assert verdict(checked(status)) is expected


def test_container_and_target_must_both_be_healthy() -> None:
    both = replace(checked("HEALTHY"), targets=task(1).targets)
    assert verdict(both, TARGET_STATES["waiting"]) is Verdict.WAITING
    assert verdict(both, TARGET_STATES["healthy"]) is Verdict.HEALTHY


def test_task_without_any_check_counts_after_forty_seconds() -> None:
    young = replace(BARE, started_at=NOW - timedelta(seconds=39))
    assert verdict(young) is Verdict.WAITING
    assert verdict(young, scale=10) is Verdict.HEALTHY
    assert verdict(replace(BARE, started_at=NOW - timedelta(seconds=40))) is Verdict.HEALTHY


@pytest.mark.parametrize(
    ("age_s", "grace_s", "scale", "expected"),
    [
        (59, 60, 1, Verdict.WAITING),
        (60, 60, 1, Verdict.UNHEALTHY),
        (1, 0, 1, Verdict.UNHEALTHY),
        (59, 600, 10, Verdict.WAITING),
        (60, 600, 10, Verdict.UNHEALTHY),
        (14, 60, 100, Verdict.WAITING),
        (15, 60, 100, Verdict.UNHEALTHY),
        (5, 5, 100, Verdict.UNHEALTHY),
    ],
)
def test_grace_period_shrinks_but_leaves_real_processes_time(
    age_s: int, grace_s: int, scale: float, expected: Verdict
) -> None:
    young = task(1, started_at=NOW - timedelta(seconds=age_s))
    got = verdict(
        young, TARGET_STATES["unhealthy"], scale=scale, health_check_grace_period_s=grace_s
    )
    assert got is expected


def test_task_that_does_not_run_yet_waits() -> None:
    assert verdict(task(1, state="pending")) is Verdict.WAITING
