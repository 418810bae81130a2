"""ECS services by boto3 over HTTP: fields, refusals, placement, deletion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ecs_sandbox import (
    LOAD_BALANCERS,
    NETWORK,
    TARGET_GROUP,
    World,
    web_definition,
)
from ecs_web_service import FAST, create, is_steady, service, tasks
from patience import eventually

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
