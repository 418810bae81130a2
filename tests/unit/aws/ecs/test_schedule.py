"""The service scheduler as tables: what stands, what it does about it."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from ecs_builders import NOW, deployment, service, world

from sandbox.aws.ecs.records import DeploymentConfiguration, Service
from sandbox.aws.ecs.schedule import NoteTask, Plan, StartTasks, StopTask, schedule
from sandbox.clock import TimeScale

NEW, OLD = deployment("new"), deployment("old", rollout_state="COMPLETED")
DONE = deployment("new", rollout_state="COMPLETED")


def run(given: Service, *words: str, scale: float = 1) -> Plan:
    tasks, health = world(*words)
    return schedule(given, tasks, health, now=NOW, scale=TimeScale(scale))


def starts(plan: Plan) -> dict[str, int]:
    return {
        o.deployment_id.removeprefix("ecs-svc/"): o.count
        for o in plan.operations
        if isinstance(o, StartTasks)
    }


def stops(plan: Plan) -> list[str]:
    return [o.task_arn.rpartition("/")[2] for o in plan.operations if isinstance(o, StopTask)]


@dataclass(frozen=True, kw_only=True)
class Case:
    id: str
    tasks: tuple[str, ...] = ()
    desired: int = 2
    minimum: int = 100
    maximum: int = 200
    older: bool = True
    start: dict[str, int]
    stop: tuple[str, ...] = ()


CASES = [
    Case(id="first-tasks", older=False, start={"new": 2}),
    Case(id="nothing-to-do", older=False, tasks=("new:healthy",) * 2, start={}),
    Case(id="one-died", older=False, tasks=("new:healthy", "new:died"), start={"new": 1}),
    Case(
        id="scale-in-stops-oldest",
        older=False,
        desired=1,
        tasks=("new:healthy",) * 3,
        start={},
        stop=("new1", "new2"),
    ),
    Case(
        id="scale-in-prefers-those-that-do-not-serve",
        older=False,
        desired=1,
        tasks=("new:healthy", "new:pending"),
        start={},
        stop=("new2",),
    ),
    Case(
        id="scale-to-zero",
        older=False,
        desired=0,
        tasks=("new:unhealthy",),
        start={},
        stop=("new1",),
    ),
    Case(id="rolling-starts-up-to-maximum", tasks=("old:healthy",) * 2, start={"new": 2}),
    Case(
        id="rolling-maximum-rounds-down",
        desired=3,
        maximum=150,
        tasks=("old:healthy",) * 3,
        start={"new": 1},
    ),
    Case(
        id="rolling-keeps-old-until-new-is-healthy",
        tasks=("old:healthy", "old:healthy", "new:waiting", "new:waiting"),
        start={},
    ),
    Case(
        id="rolling-stops-one-old-for-one-healthy-new",
        tasks=("old:healthy", "old:healthy", "new:healthy", "new:waiting"),
        start={},
        stop=("old1",),
    ),
    Case(
        id="rolling-stops-all-old-when-new-serves",
        tasks=("old:healthy", "old:healthy", "new:healthy", "new:healthy"),
        start={},
        stop=("old1", "old2"),
    ),
    Case(
        id="rolling-stops-first-without-head-room",
        minimum=50,
        maximum=100,
        tasks=("old:healthy",) * 2,
        start={},
        stop=("old1",),
    ),
    Case(
        id="rolling-then-starts-in-the-freed-room",
        minimum=50,
        maximum=100,
        tasks=("old:healthy",),
        start={"new": 1},
    ),
    Case(
        id="rolling-minimum-rounds-up-and-stalls",
        minimum=75,
        maximum=100,
        tasks=("old:healthy",) * 2,
        start={},
    ),
    Case(
        id="rolling-with-head-room-does-not-dip-below-desired",
        minimum=50,
        maximum=200,
        tasks=("old:healthy",) * 2,
        start={"new": 2},
    ),
    Case(
        id="rolling-stops-broken-old-at-once",
        tasks=("old:unhealthy", "old:pending"),
        start={"new": 2},
        stop=("old1", "old2"),
    ),
    Case(
        id="rolling-to-zero",
        desired=0,
        tasks=("old:healthy",),
        start={},
        stop=("old1",),
    ),
    Case(
        id="unhealthy-is-replaced-start-first",
        older=False,
        tasks=("new:healthy", "new:unhealthy"),
        start={"new": 1},
    ),
    Case(
        id="unhealthy-stops-once-replaced",
        older=False,
        tasks=("new:healthy", "new:unhealthy", "new:healthy"),
        start={},
        stop=("new2",),
    ),
    Case(
        id="unhealthy-waits-for-its-replacement",
        older=False,
        tasks=("new:healthy", "new:unhealthy", "new:waiting"),
        start={},
    ),
    Case(
        id="unhealthy-without-head-room-stops-first",
        tasks=("old:healthy", "old:healthy", "new:unhealthy", "new:waiting"),
        start={},
        stop=("new3",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_plan(case: Case) -> None:
    deployments = (NEW, OLD) if case.older else (DONE,)
    given = service(
        case.desired, minimum=case.minimum, maximum=case.maximum, deployments=deployments
    )
    plan = run(given, *case.tasks)
    assert (starts(plan), tuple(stops(plan))) == (case.start, case.stop)
    assert all(operation.cause for operation in plan.operations)


def test_completed_deployment_reports_completion_then_steady_state() -> None:
    plan = run(service(2, deployments=(NEW, OLD)), "new:healthy", "new:healthy")
    assert plan.events == (
        "(service web) (deployment ecs-svc/new) deployment completed.",
        "(service web) has reached a steady state.",
    )
    [only] = plan.service.deployments
    assert (only.id, only.rollout_state) == ("ecs-svc/new", "COMPLETED")
    assert only.rollout_reason == "ECS deployment ecs-svc/new completed."
    assert plan.service.steady_since == NOW >= only.updated_at


def test_deployment_is_not_complete_while_an_old_task_drains() -> None:
    plan = run(service(2, deployments=(NEW, OLD)), "new:healthy", "new:healthy", "old:stopping")
    assert plan.events == ()
    assert len(plan.service.deployments) == 2


def test_steady_state_is_told_once_and_again_after_six_hours() -> None:
    given = service(1, deployments=(DONE,), steady_since=NOW - timedelta(hours=5))
    assert run(given, "new:healthy").events == ()
    older = replace(given, steady_since=NOW - timedelta(hours=6))
    assert run(older, "new:healthy").events == ("(service web) has reached a steady state.",)


def test_service_of_no_tasks_is_steady() -> None:
    assert run(service(0)).events[-1] == "(service web) has reached a steady state."


def test_stalled_deployment_says_so_once() -> None:
    given = service(2, minimum=75, maximum=100, deployments=(NEW, OLD))
    plan = run(given, "old:healthy", "old:healthy")
    assert "was unable to stop or start tasks during a deployment" in plan.events[0]
    assert run(plan.service, "old:healthy", "old:healthy").events == ()


def test_unhealthy_target_is_named_in_event_and_reason() -> None:
    plan = run(
        service(1, maximum=100, minimum=0, deployments=(DONE,)),
        "new:unhealthy",
    )
    [stop] = [o for o in plan.operations if isinstance(o, StopTask)]
    assert stop.reason.startswith("Task failed ELB health checks in (target-group arn:")
    assert plan.events[0] == (
        "(service web) (port 80) is unhealthy in (target-group "
        "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/1) due to "
        "(reason Health checks failed with these codes: [404])"
    )


def test_scaling_reason_names_the_deployment() -> None:
    plan = run(service(0, deployments=(DONE,)), "new:healthy")
    [stop] = [o for o in plan.operations if isinstance(o, StopTask)]
    assert stop.reason == "Scaling activity initiated by (deployment ecs-svc/new)"


def test_failures_delay_the_next_start_and_are_reported() -> None:
    plan = run(service(1), "new:crashed", "new:crashed", "new:crashed")
    assert starts(plan) == {}
    assert plan.wake_at == NOW + timedelta(seconds=10)
    assert "is unable to consistently start tasks successfully" in plan.events[0]
    assert plan.service.primary.failed_tasks == 3
    assert [o.ended for o in plan.operations if isinstance(o, NoteTask)] == [True] * 3


def test_back_off_shrinks_with_the_time_scale() -> None:
    plan = run(service(1), "new:crashed", "new:crashed", "new:crashed", scale=10)
    assert plan.wake_at == NOW + timedelta(seconds=1)


def test_healthy_task_clears_the_failures() -> None:
    failing = deployment("new", failed_tasks=2, next_start_at=NOW + timedelta(minutes=1))
    tasks, health = world("new:healthy")
    tasks = [replace(tasks[0], healthy_at=None)]
    plan = schedule(service(2, deployments=(failing,)), tasks, health, now=NOW, scale=TimeScale())
    assert plan.service.primary.failed_tasks == 0
    assert starts(plan) == {"new": 1}


def test_death_of_a_task_that_was_healthy_is_no_deployment_failure() -> None:
    plan = run(service(1, deployments=(DONE,)), "new:died")
    assert plan.service.primary.failed_tasks == 0
    assert starts(plan) == {"new": 1}


BREAKER = DeploymentConfiguration(breaker_enabled=True)
ROLLBACK = replace(BREAKER, breaker_rolls_back=True)
FAILING = deployment("new", failed_tasks=3)


def test_circuit_breaker_fails_the_deployment_and_starts_no_more() -> None:
    plan = run(service(1, deployments=(FAILING,), configuration=BREAKER))
    assert plan.service.primary.rollout_state == "FAILED"
    assert plan.service.primary.rollout_reason == (
        "ECS deployment circuit breaker: tasks failed to start."
    )
    assert starts(plan) == {}
    assert plan.events == (
        "(service web) (deployment ecs-svc/new) deployment failed: tasks failed to start.",
    )


def test_circuit_breaker_rolls_back_to_the_last_completed_deployment() -> None:
    given = service(1, deployments=(FAILING, OLD), configuration=ROLLBACK, last_completed=OLD)
    plan = run(given, "old:healthy", "new:waiting")
    primary, failed = plan.service.deployments
    assert (primary.id, primary.status, primary.rollout_state) == (
        "ecs-svc/old",
        "PRIMARY",
        "IN_PROGRESS",
    )
    assert primary.rollout_reason == (
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/old."
    )
    assert (failed.status, failed.rollout_state) == ("ACTIVE", "FAILED")
    assert stops(plan) == ["new2"]
    assert plan.events[-1] == "(service web) rolling back to deployment ecs-svc/old."


def test_rollback_completes_as_a_deployment_does() -> None:
    back = deployment("old")
    plan = run(
        service(1, deployments=(back, replace(FAILING, rollout_state="FAILED"))), "old:healthy"
    )
    assert [d.id for d in plan.service.deployments] == ["ecs-svc/old"]
    assert plan.events[-1] == "(service web) has reached a steady state."


def test_old_revision_is_kept_up_while_the_new_one_cannot_start() -> None:
    blocked = deployment("new", failed_tasks=5, next_start_at=NOW + timedelta(minutes=1))
    plan = run(service(2, deployments=(blocked, OLD)), "old:healthy")
    assert starts(plan) == {"old": 1}


def test_draining_service_stops_everything_then_is_inactive() -> None:
    draining = service(0, status="DRAINING")
    plan = run(draining, "new:healthy", "new:pending")
    assert stops(plan) == ["new1", "new2"]
    assert plan.service.status == "DRAINING"
    assert run(draining, "new:stopping").service.status == "DRAINING"
    assert run(draining).service.status == "INACTIVE"


def test_ec2_launch_type_places_nothing_and_says_why() -> None:
    on_ec2 = replace(NEW, revision=replace(NEW.revision, launch_type="EC2"))
    plan = run(service(1, deployments=(on_ec2,)))
    assert starts(plan) == {}
    assert "No Container Instances were found in your cluster." in plan.events[0]
