"""ECS services by boto3 over HTTP: rolling deployments, health, circuit breaker, deletion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ecs_sandbox import (
    LOAD_BALANCERS,
    NETWORK,
    REGION,
    TARGET_GROUP,
    World,
    web_definition,
)
from patience import eventually

from sandbox.aws.ports import TargetHealth
from sandbox.aws.runtime.fake import FakeRuntime, Program
from sandbox.aws.runtime.port import HealthStatus, TaskObservation, TaskSpec

FAST = {"Delay": 1, "MaxAttempts": 120}
INITIAL = TargetHealth(state="initial", reason="Elb.InitialHealthChecking")
FAILING = TargetHealth(
    state="unhealthy",
    reason="Target.ResponseCodeMismatch",
    description="Health checks failed with these codes: [500]",
)


# The wire warns of codes that AWS's model lacks; NotImplemented is one by design.
pytestmark = pytest.mark.filterwarnings("ignore:Exception.AwsError. with code NotImplemented")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ecs(world: World) -> Iterator[Any]:
    with world.client() as client:
        client.create_cluster(clusterName="dev")
        client.register_task_definition(**web_definition())
        yield client


def create(ecs: Any, **changes: Any) -> dict[str, Any]:
    request = {
        "cluster": "dev",
        "serviceName": "web",
        "taskDefinition": "web",
        "desiredCount": 2,
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
        **changes,
    }
    answer: dict[str, Any] = ecs.create_service(**request)["service"]
    return answer


def service(ecs: Any, name: str = "web") -> dict[str, Any]:
    [found] = ecs.describe_services(cluster="dev", services=[name])["services"]
    return dict(found)


def messages(ecs: Any) -> list[str]:
    return [e["message"] for e in reversed(service(ecs)["events"])]


def is_steady(ecs: Any) -> bool:
    """The rule by which Harness' ECS steps wait."""
    shown = service(ecs)
    steady = [e for e in shown["events"] if e["message"].endswith("has reached a steady state.")]
    return (
        len(shown["deployments"]) == 1
        and bool(steady)
        and steady[0]["createdAt"] >= shown["deployments"][0]["updatedAt"]
        and shown["deployments"][0]["rolloutState"] == "COMPLETED"
    )


def tasks(ecs: Any, **filters: Any) -> list[dict[str, Any]]:
    arns = ecs.list_tasks(cluster="dev", **filters)["taskArns"]
    return list(ecs.describe_tasks(cluster="dev", tasks=arns)["tasks"]) if arns else []


def is_replaced(ecs: Any, task_arn: str) -> bool:
    arns = [t["taskArn"] for t in tasks(ecs)]
    return bool(arns) and task_arn not in arns


def test_service_reaches_the_steady_state_with_its_targets_registered(
    ecs: Any, world: World
) -> None:
    create(ecs, loadBalancers=LOAD_BALANCERS)
    ecs.get_waiter("services_stable").wait(cluster="dev", services=["web"], WaiterConfig=FAST)
    eventually(lambda: is_steady(ecs))
    running = tasks(ecs)
    assert {t["lastStatus"] for t in running} == {"RUNNING"}
    addresses = {
        d["value"]
        for t in running
        for d in t["attachments"][0]["details"]
        if d["name"] == "privateIPv4Address"
    }
    assert {i for i, _ in world.registrar.targets[TARGET_GROUP]} == addresses
    for target in world.registrar.targets[TARGET_GROUP].values():
        assert target.address.startswith("127.")
    assert {t["availabilityZone"] for t in running} == {REGION + "a", REGION + "b"}


def test_events_tell_the_story_in_order(ecs: Any) -> None:
    create(ecs, desiredCount=1, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    [task] = tasks(ecs)
    deployment = service(ecs)["deployments"][0]["id"]
    assert messages(ecs) == [
        f"(service web) has started 1 tasks: (task {task['taskArn'].rpartition('/')[2]}).",
        f"(service web) registered 1 targets in (target-group {TARGET_GROUP})",
        f"(service web) (deployment {deployment}) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_rolling_update_replaces_tasks_and_drains_the_old(ecs: Any, world: World) -> None:
    world.registrar.drains_at_once = False
    create(ecs, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    old = {t["taskArn"] for t in tasks(ecs)}
    ecs.register_task_definition(**web_definition("example/web:2"))
    updated = ecs.update_service(cluster="dev", service="web", taskDefinition="web:2")["service"]
    primary, active = updated["deployments"]
    assert (primary["status"], primary["rolloutState"]) == ("PRIMARY", "IN_PROGRESS")
    assert active["status"] == "ACTIVE"
    eventually(lambda: service(ecs)["runningCount"] == 2 and len(_draining(ecs, old)) == 2)
    assert len(service(ecs)["deployments"]) == 2
    assert not is_steady(ecs)
    world.registrar.finish_draining()
    eventually(lambda: is_steady(ecs))
    new = tasks(ecs)
    assert {t["containers"][0]["image"] for t in new} == {"example/web:2"}
    ended = ecs.describe_tasks(cluster="dev", tasks=sorted(old))["tasks"]
    assert {t["stopCode"] for t in ended} == {"ServiceSchedulerInitiated"}
    assert {t["stoppedReason"] for t in ended} == {
        f"Scaling activity initiated by (deployment {primary['id']})"
    }
    told = messages(ecs)
    first_drain = next(i for i, m in enumerate(told) if "has begun draining connections" in m)
    first_stop = next(i for i, m in enumerate(told) if "has stopped" in m)
    assert first_drain < first_stop


def _draining(ecs: Any, arns: set[str]) -> list[dict[str, Any]]:
    found = ecs.describe_tasks(cluster="dev", tasks=sorted(arns))["tasks"]
    return [t for t in found if t["lastStatus"] == "DEACTIVATING"]


def test_same_task_definition_starts_no_deployment_but_force_does(ecs: Any) -> None:
    before = create(ecs, desiredCount=1)["deployments"][0]["id"]
    same = ecs.update_service(cluster="dev", service="web", taskDefinition="web:1")["service"]
    assert [d["id"] for d in same["deployments"]] == [before]
    forced = ecs.update_service(cluster="dev", service="web", forceNewDeployment=True)["service"]
    assert forced["deployments"][0]["id"] != before


def test_desired_count_changes_without_a_new_deployment(ecs: Any) -> None:
    first = create(ecs, desiredCount=1)["deployments"][0]["id"]
    eventually(lambda: is_steady(ecs))
    ecs.update_service(cluster="dev", service="web", desiredCount=3)
    eventually(lambda: is_steady(ecs) and service(ecs)["runningCount"] == 3)
    ecs.update_service(cluster="dev", service="web", desiredCount=0)
    eventually(lambda: is_steady(ecs) and service(ecs)["runningCount"] == 0)
    assert service(ecs)["deployments"][0]["id"] == first


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


def test_crashing_service_backs_off_and_says_so(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(exit_code=1)
    create(ecs, desiredCount=1)
    eventually(lambda: any("is unable to consistently start tasks" in m for m in messages(ecs)))
    assert service(ecs)["deployments"][0]["failedTasks"] >= 3


def test_circuit_breaker_rolls_back(ecs: Any, world: World) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    first = create(ecs, deploymentConfiguration=breaker)["deployments"][0]["id"]
    eventually(lambda: is_steady(ecs))
    world.machine.programs["example/web:2"] = Program(exit_code=1)
    ecs.register_task_definition(**web_definition("example/web:2"))
    ecs.update_service(cluster="dev", service="web", taskDefinition="web:2")
    eventually(lambda: any("rolling back to deployment" in m for m in messages(ecs)))
    eventually(lambda: is_steady(ecs))
    shown = service(ecs)
    assert shown["deployments"][0]["id"] == first
    assert shown["taskDefinition"].endswith(":task-definition/web:1")
    assert shown["runningCount"] == 2


def test_circuit_breaker_without_rollback_stalls_as_failed(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(exit_code=1)
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    create(ecs, desiredCount=1, deploymentConfiguration=breaker)
    eventually(lambda: service(ecs)["deployments"][0]["rolloutState"] == "FAILED")
    assert service(ecs)["deployments"][0]["rolloutStateReason"] == (
        "ECS deployment circuit breaker: tasks failed to start."
    )


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


def test_deployment_runs_one_digest_even_when_the_tag_moves(ecs: Any, world: World) -> None:
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1"
    ecs.register_task_definition(**web_definition(image))
    create(ecs, desiredCount=1)
    eventually(lambda: is_steady(ecs))
    world.images.missing.add(image)
    ecs.update_service(cluster="dev", service="web", desiredCount=2)
    eventually(lambda: is_steady(ecs) and service(ecs)["runningCount"] == 2)
    assert len({t["containers"][0]["imageDigest"] for t in tasks(ecs)}) == 1


def test_deleting_drains_then_is_inactive_and_the_name_is_free(ecs: Any, world: World) -> None:
    world.registrar.drains_at_once = False
    create(ecs, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    with pytest.raises(ClientError, match="cannot be stopped while it is scaled above 0"):
        ecs.delete_service(cluster="dev", service="web")
    deleted = ecs.delete_service(cluster="dev", service="web", force=True)["service"]
    assert deleted["status"] == "DRAINING"
    with pytest.raises(ClientError, match="Unable to Start a service that is still Draining"):
        create(ecs)
    world.registrar.finish_draining()

    def drained() -> bool:
        world.registrar.finish_draining()
        return bool(service(ecs)["status"] == "INACTIVE")

    eventually(drained)
    ecs.get_waiter("services_inactive").wait(cluster="dev", services=["web"], WaiterConfig=FAST)
    assert ecs.list_services(cluster="dev")["serviceArns"] == []
    assert world.runtime.observe() == ()
    assert world.network.interfaces == {}
    create(ecs, desiredCount=1)
    eventually(lambda: is_steady(ecs))


def test_capacity_provider_strategy_spreads_by_base_and_weight(ecs: Any) -> None:
    strategy = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    ecs.put_cluster_capacity_providers(
        cluster="dev",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[],
    )
    request = {"launchType": None, "capacityProviderStrategy": strategy, "desiredCount": 5}
    shown = create_without_launch_type(ecs, request)
    assert "launchType" not in shown
    eventually(lambda: is_steady(ecs))
    providers = sorted(t["capacityProviderName"] for t in tasks(ecs))
    assert providers == ["FARGATE", "FARGATE", *["FARGATE_SPOT"] * 3]


def create_without_launch_type(ecs: Any, request: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = ecs.create_service(
        cluster="dev",
        serviceName="web",
        taskDefinition="web",
        networkConfiguration=NETWORK,
        **{k: v for k, v in request.items() if v is not None},
    )["service"]
    return answer


def test_service_fields_come_back_as_they_were_given(ecs: Any) -> None:
    given = {
        "availabilityZoneRebalancing": "DISABLED",
        "enableECSManagedTags": True,
        "propagateTags": "SERVICE",
        "enableExecuteCommand": True,
        "healthCheckGracePeriodSeconds": 60,
        "schedulingStrategy": "REPLICA",
        "networkConfiguration": NETWORK,
        "loadBalancers": LOAD_BALANCERS,
    }
    create(
        ecs,
        **given,
        deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 150},
        tags=[{"key": "BG_VERSION", "value": "GREEN"}],
    )
    [shown] = ecs.describe_services(cluster="dev", services=["web"], include=["TAGS"])["services"]
    assert {key: shown[key] for key in given} == given
    assert shown["deploymentConfiguration"] == {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 150,
        "minimumHealthyPercent": 50,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
    }
    assert shown["deploymentController"] == {"type": "ECS"}
    assert shown["tags"] == [{"key": "BG_VERSION", "value": "GREEN"}]
    ecs.untag_resource(resourceArn=shown["serviceArn"], tagKeys=["BG_VERSION"])
    ecs.tag_resource(resourceArn=shown["serviceArn"], tags=[{"key": "BG_VERSION", "value": "BLUE"}])
    assert ecs.list_tags_for_resource(resourceArn=shown["serviceArn"])["tags"] == [
        {"key": "BG_VERSION", "value": "BLUE"}
    ]
    eventually(lambda: bool(tasks(ecs)))
    [task, _] = ecs.describe_tasks(
        cluster="dev", tasks=ecs.list_tasks(cluster="dev")["taskArns"], include=["TAGS"]
    )["tasks"]
    assert {t["key"]: t["value"] for t in task["tags"]} == {
        "BG_VERSION": "GREEN",
        "aws:ecs:clusterName": "dev",
        "aws:ecs:serviceName": "web",
    }


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"cluster": "nope"}, "ClusterNotFoundException", "Cluster not found."),
        ({"taskDefinition": "nope"}, "ClientException", "Unable to describe task definition."),
        (
            {"networkConfiguration": {}},
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-x"]}}},
            "InvalidParameterException",
            "The subnet ID 'subnet-x' does not exist",
        ),
        (
            {"loadBalancers": [{**LOAD_BALANCERS[0], "containerPort": 81}]},
            "InvalidParameterException",
            "The container web did not have a container port 81 defined.",
        ),
        (
            {"loadBalancers": [{**LOAD_BALANCERS[0], "containerName": "x"}]},
            "InvalidParameterException",
            "The container x does not exist in the task definition.",
        ),
        (
            {"healthCheckGracePeriodSeconds": 10},
            "InvalidParameterException",
            "Health check grace period is only valid for services configured to use load",
        ),
        (
            {"deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 100}},
            "InvalidParameterException",
            "Both maximumPercent and minimumHealthyPercent cannot be 100",
        ),
        (
            {"deploymentController": {"type": "CODE_DEPLOY"}},
            "NotImplemented",
            "deploymentController CODE_DEPLOY",
        ),
        (
            {"serviceRegistries": [{"registryArn": "arn:x"}]},
            "NotImplemented",
            "serviceRegistries",
        ),
    ],
)
def test_wrong_service_is_refused_in_aws_words(
    ecs: Any, changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError) as caught:
        create(ecs, **changes)
    assert caught.value.response["Error"]["Code"] == code
    assert words in caught.value.response["Error"]["Message"]


def test_target_group_without_load_balancer_is_refused(ecs: Any, world: World) -> None:
    world.registrar.add_group(TARGET_GROUP, attached=False)
    with pytest.raises(ClientError, match="does not have an associated load balancer"):
        create(ecs, loadBalancers=LOAD_BALANCERS)


def test_second_service_of_a_name_is_refused(ecs: Any) -> None:
    create(ecs)
    with pytest.raises(ClientError, match="Creation of service was not idempotent"):
        create(ecs)


def test_unknown_service_is_a_failure_or_an_error(ecs: Any) -> None:
    answer = ecs.describe_services(cluster="dev", services=["nope"])
    assert answer["failures"][0]["reason"] == "MISSING"
    with pytest.raises(ClientError) as caught:
        ecs.update_service(cluster="dev", service="nope", desiredCount=1)
    assert caught.value.response["Error"]["Code"] == "ServiceNotFoundException"


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
