"""Short ways to make ECS records for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sandbox.aws.ecs.health import TargetHealths
from sandbox.aws.ecs.records import (
    Container,
    Deployment,
    DeploymentConfiguration,
    LoadBalancer,
    Network,
    Revision,
    Service,
    Task,
    TaskTarget,
)
from sandbox.aws.ports import NetworkInterface, TargetHealth

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ARN = "arn:aws:ecs:us-east-1:000000000000:"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/1"


def deployment(name: str, **changes: object) -> Deployment:
    made = Deployment(
        id=f"ecs-svc/{name}",
        status="ACTIVE",
        revision=Revision(
            task_definition_arn=f"{ARN}task-definition/web:{name}",
            launch_type="FARGATE",
            network=Network(subnets=("subnet-a",)),
            load_balancers=(
                LoadBalancer(target_group_arn=GROUP, container_name="web", container_port=80),
            ),
        ),
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def service(
    desired: int = 2,
    *,
    minimum: int = 100,
    maximum: int = 200,
    deployments: tuple[Deployment, ...] | None = None,
    configuration: DeploymentConfiguration | None = None,
    **changes: object,
) -> Service:
    first, *older = deployments or (deployment("new"),)
    made = Service(
        arn=f"{ARN}service/dev/web",
        name="web",
        cluster_arn=f"{ARN}cluster/dev",
        status="ACTIVE",
        desired_count=desired,
        deployments=(replace(first, status="PRIMARY"), *older),
        configuration=configuration
        or DeploymentConfiguration(minimum_healthy_percent=minimum, maximum_percent=maximum),
        created_at=NOW,
        created_by="root",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def task(number: int, of: str = "new", state: str = "healthy", **changes: object) -> Task:
    """A task of deployment `of`.

    States: healthy, waiting (RUNNING, target initial), unhealthy, pending, stopping, crashed, died (after it was healthy).
    """
    serves = state in {"healthy", "waiting", "unhealthy"}
    made = Task(
        arn=f"{ARN}task/dev/{of}{number}",
        cluster_arn=f"{ARN}cluster/dev",
        task_definition_arn=f"{ARN}task-definition/web:{of}",
        created_at=NOW - timedelta(minutes=30) + timedelta(seconds=number),
        launch_type="FARGATE",
        group="service:web",
        service_arn=f"{ARN}service/dev/web",
        deployment_id=f"ecs-svc/{of}",
        interface=NetworkInterface(
            id="eni-1",
            subnet_id="subnet-a",
            private_ipv4_address=f"{of}{number}",
            mac_address="",
        ),
        containers=(Container(arn="c", name="web", image="web:1", last_status="RUNNING"),),
        targets=(
            TaskTarget(
                target_group_arn=GROUP, container_name="web", container_port=80, registered=serves
            ),
        ),
        last_status="RUNNING" if serves else "ACTIVATING",
        started_at=NOW - timedelta(minutes=10) if serves else None,
        healthy_at=NOW if state == "healthy" else None,
    )
    if state == "stopping":
        made = replace(made, desired_status="STOPPED", last_status="STOPPING", accounted=True)
    if state in {"crashed", "died"}:
        made = replace(
            made,
            desired_status="STOPPED",
            last_status="STOPPED",
            stop_code="EssentialContainerExited",
            healthy_at=NOW - timedelta(minutes=5) if state == "died" else None,
        )
    return replace(made, **changes)  # type: ignore[arg-type]


TARGET_STATES = {
    "healthy": TargetHealth(state="healthy"),
    "waiting": TargetHealth(state="initial", reason="Elb.InitialHealthChecking"),
    "unhealthy": TargetHealth(
        state="unhealthy",
        reason="Target.ResponseCodeMismatch",
        description="Health checks failed with these codes: [404]",
    ),
}


def world(*words: str) -> tuple[list[Task], TargetHealths]:
    """Return tasks and target health from words such as `old:healthy`, numbered in order."""
    tasks, health = [], {}
    for number, word in enumerate(words, start=1):
        of, _, state = word.partition(":")
        tasks.append(task(number, of, state))
        if state in TARGET_STATES:
            health[f"{of}{number}", 80] = TARGET_STATES[state]
    return tasks, {GROUP: health}
