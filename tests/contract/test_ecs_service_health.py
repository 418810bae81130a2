"""What ECS does with a service's sick and dead tasks, by boto3 over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ecs_sandbox import (
    LOAD_BALANCERS,
    TARGET_GROUP,
    World,
    web_definition,
)
from ecs_web_service import create, is_replaced, is_steady, messages, service, tasks
from patience import eventually

from sandbox.aws.ports import TargetHealth
from sandbox.aws.runtime.fake import FakeRuntime
from sandbox.aws.runtime.port import HealthStatus, TaskObservation, TaskSpec

INITIAL = TargetHealth(state="initial", reason="Elb.InitialHealthChecking")
FAILING = TargetHealth(
    state="unhealthy",
    reason="Target.ResponseCodeMismatch",
    description="Health checks failed with these codes: [500]",
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ecs(world: World) -> Iterator[Any]:
    with world.client() as client:
        client.create_cluster(clusterName="dev")
        client.register_task_definition(**web_definition())
        yield client


def test_targets_must_be_healthy_before_the_deployment_completes(ecs: Any, world: World) -> None:
    world.registrar.default = INITIAL
    create(ecs, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: service(ecs)["runningCount"] == 2)
    assert service(ecs)["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    world.registrar.default = TargetHealth(state="healthy")
    eventually(lambda: is_steady(ecs))


def test_unhealthy_target_has_its_task_replaced(ecs: Any, world: World) -> None:
    create(ecs, desiredCount=1, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    [first] = tasks(ecs)
    world.registrar.default = FAILING
    eventually(lambda: bool(tasks(ecs, desiredStatus="STOPPED")))
    world.registrar.default = TargetHealth(state="healthy")
    [ended] = ecs.describe_tasks(cluster="dev", tasks=[first["taskArn"]])["tasks"]
    assert (
        ended["stoppedReason"] == f"Task failed ELB health checks in (target-group {TARGET_GROUP})"
    )
    assert (
        f"(service web) (port 80) is unhealthy in (target-group {TARGET_GROUP}) due to "
        "(reason Health checks failed with these codes: [500])" in messages(ecs)
    )
    eventually(lambda: is_steady(ecs))


def test_grace_period_ignores_failing_targets(ecs: Any, world: World) -> None:
    world.registrar.default = FAILING
    create(ecs, desiredCount=1, loadBalancers=LOAD_BALANCERS, healthCheckGracePeriodSeconds=3600)
    eventually(lambda: service(ecs)["runningCount"] == 1)
    seen = world.registrar.readings
    eventually(lambda: world.registrar.readings >= seen + 2, "target health is read again")
    assert tasks(ecs, desiredStatus="STOPPED") == []


def test_failing_container_health_check_replaces_the_task(ecs: Any, world: World) -> None:
    check = {"command": ["CMD-SHELL", "true"]}
    ecs.register_task_definition(**web_definition(healthCheck=check))
    create(ecs, desiredCount=1)
    eventually(lambda: is_steady(ecs))
    [first] = tasks(ecs)
    assert first["healthStatus"] == "HEALTHY"
    world.runtime.set_health(first["taskArn"], "web", HealthStatus.UNHEALTHY)
    eventually(lambda: is_replaced(ecs, first["taskArn"]) and is_steady(ecs))
    [ended] = ecs.describe_tasks(cluster="dev", tasks=[first["taskArn"]])["tasks"]
    assert ended["stoppedReason"] == "Task failed container health checks"


def test_dead_task_is_replaced(ecs: Any, world: World) -> None:
    create(ecs, desiredCount=1)
    eventually(lambda: is_steady(ecs))
    [first] = tasks(ecs)
    world.runtime.exit_container(first["taskArn"], "web", 1)
    eventually(lambda: is_replaced(ecs, first["taskArn"]) and is_steady(ecs))
    [ended] = ecs.describe_tasks(cluster="dev", tasks=[first["taskArn"]])["tasks"]
    assert ended["stopCode"] == "EssentialContainerExited"
    assert ended["stoppedReason"] == "Essential container in task exited"
    assert ended["containers"][0]["exitCode"] == 1


def test_missing_image_stops_the_task_with_aws_words(ecs: Any, world: World) -> None:
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:gone"
    world.images.missing.add(image)
    ecs.register_task_definition(**web_definition(image))
    create(ecs, desiredCount=1)
    eventually(lambda: bool(tasks(ecs, desiredStatus="STOPPED")))
    ended = tasks(ecs, desiredStatus="STOPPED")[0]
    assert ended["stopCode"] == "TaskFailedToStart"
    assert ended["stoppedReason"].startswith("CannotPullContainerError: ")
    assert image in ended["stoppedReason"]


def test_deleted_target_group_harms_no_other_service(ecs: Any, world: World) -> None:
    create(ecs, desiredCount=1, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    world.registrar.groups.clear()
    create(ecs, serviceName="other", desiredCount=1)
    eventually(lambda: service(ecs, "other")["runningCount"] == 1)
    ecs.delete_service(cluster="dev", service="web", force=True)
    eventually(lambda: service(ecs)["status"] == "INACTIVE")


def test_runtime_that_breaks_unforeseen_fails_that_task_only(
    ecs: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: FakeRuntime, spec: TaskSpec) -> TaskObservation:
        if spec.family == "web":
            raise OSError("no space left on device")
        return create_task(self, spec)

    create_task = FakeRuntime.create_task
    monkeypatch.setattr(FakeRuntime, "create_task", broken)
    ecs.register_task_definition(**web_definition() | {"family": "other"})
    create(ecs, desiredCount=1)
    create(ecs, serviceName="other", taskDefinition="other", desiredCount=1)
    eventually(lambda: service(ecs, "other")["runningCount"] == 1)
    eventually(lambda: bool(tasks(ecs, serviceName="web", desiredStatus="STOPPED")))
    ended = tasks(ecs, serviceName="web", desiredStatus="STOPPED")[0]
    assert ended["stoppedReason"] == "InternalError: OSError: no space left on device"
