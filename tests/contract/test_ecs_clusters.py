"""ECS clusters, capacity providers, settings and task definitions by boto3 over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ecs_sandbox import NETWORK, ROLE, World, web_definition

# The wire warns of codes that AWS's model lacks; NotImplemented is one by design.
pytestmark = pytest.mark.filterwarnings("ignore:Exception.AwsError. with code NotImplemented")


@pytest.fixture(scope="module")
def ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with World(tmp_path_factory.mktemp("ecs")).client() as client:
        yield client


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_cluster_is_created_described_changed_and_deleted(ecs: Any) -> None:
    made = ecs.create_cluster(
        clusterName="a",
        tags=[{"key": "env", "value": "dev"}],
        settings=[{"name": "containerInsights", "value": "enabled"}],
    )["cluster"]
    assert made["clusterArn"] == "arn:aws:ecs:us-east-1:000000000000:cluster/a"
    ecs.put_cluster_capacity_providers(
        cluster="a",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
    )
    ecs.update_cluster_settings(
        cluster="a", settings=[{"name": "containerInsights", "value": "disabled"}]
    )
    [shown] = ecs.describe_clusters(clusters=["a"], include=["TAGS", "SETTINGS"])["clusters"]
    assert shown["tags"] == [{"key": "env", "value": "dev"}]
    assert shown["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert shown["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert shown["defaultCapacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE", "weight": 1, "base": 0}
    ]
    assert made["clusterArn"] in ecs.list_clusters()["clusterArns"]
    assert ecs.delete_cluster(cluster="a")["cluster"]["status"] == "INACTIVE"
    assert made["clusterArn"] not in ecs.list_clusters()["clusterArns"]
    assert ecs.describe_clusters(clusters=["a"])["clusters"][0]["status"] == "INACTIVE"


def test_unknown_cluster_is_a_failure(ecs: Any) -> None:
    [failure] = ecs.describe_clusters(clusters=["nope"])["failures"]
    assert failure["reason"] == "MISSING"


def test_cluster_with_a_service_is_not_deleted(ecs: Any) -> None:
    ecs.create_cluster(clusterName="busy")
    ecs.register_task_definition(**web_definition())
    ecs.create_service(
        cluster="busy",
        serviceName="web",
        taskDefinition="web",
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration=NETWORK,
    )
    with pytest.raises(ClientError) as caught:
        ecs.delete_cluster(cluster="busy")
    assert error_of(caught) == (
        "ClusterContainsServicesException",
        "The Cluster cannot be deleted while Services are active.",
    )


def test_fargate_capacity_providers_exist(ecs: Any) -> None:
    found = ecs.describe_capacity_providers()["capacityProviders"]
    assert {p["name"]: p["status"] for p in found} == {
        "FARGATE": "ACTIVE",
        "FARGATE_SPOT": "ACTIVE",
    }


def test_unknown_capacity_provider_is_refused(ecs: Any) -> None:
    ecs.create_cluster(clusterName="b")
    with pytest.raises(ClientError, match="The specified capacity provider 'x' was not found"):
        ecs.put_cluster_capacity_providers(
            cluster="b", capacityProviders=["x"], defaultCapacityProviderStrategy=[]
        )


def test_account_setting_is_kept(ecs: Any) -> None:
    ecs.put_account_setting_default(name="containerInsights", value="enabled")
    [setting] = ecs.list_account_settings(name="containerInsights", effectiveSettings=True)[
        "settings"
    ]
    assert setting["value"] == "enabled"


def test_operation_that_is_not_built_says_so(ecs: Any) -> None:
    with pytest.raises(ClientError) as caught:
        ecs.register_container_instance(cluster="b")
    code, message = error_of(caught)
    assert code == "NotImplemented"
    assert "RegisterContainerInstance" in message


# Task definitions


def test_revisions_count_up_and_are_never_used_twice(ecs: Any) -> None:
    family = {"family": "counted"}
    first = ecs.register_task_definition(**web_definition() | family)["taskDefinition"]
    second = ecs.register_task_definition(**web_definition() | family)["taskDefinition"]
    assert (first["revision"], second["revision"]) == (1, 2)
    assert ecs.describe_task_definition(taskDefinition="counted")["taskDefinition"]["revision"] == 2
    ecs.deregister_task_definition(taskDefinition="counted:2")
    assert ecs.describe_task_definition(taskDefinition="counted")["taskDefinition"]["revision"] == 1
    ecs.delete_task_definitions(taskDefinitions=["counted:2"])
    third = ecs.register_task_definition(**web_definition() | family)["taskDefinition"]
    assert third["revision"] == 3
    assert ecs.list_task_definitions(familyPrefix="counted", sort="DESC")["taskDefinitionArns"] == [
        third["taskDefinitionArn"],
        first["taskDefinitionArn"],
    ]
    assert "counted" in ecs.list_task_definition_families(status="ACTIVE")["families"]


def test_definition_comes_back_with_awss_defaults(ecs: Any) -> None:
    given = web_definition(
        environment=[{"name": "A", "value": "1"}],
        dependsOn=[],
        healthCheck={"command": ["CMD-SHELL", "true"]},
        readonlyRootFilesystem=True,
    ) | {"cpu": ".5 vCPU", "memory": "1 GB", "tags": [{"key": "a", "value": "b"}]}
    ecs.register_task_definition(**given | {"family": "defaults"})
    answer = ecs.describe_task_definition(taskDefinition="defaults", include=["TAGS"])
    shown = answer["taskDefinition"]
    assert answer["tags"] == [{"key": "a", "value": "b"}]
    assert (shown["cpu"], shown["memory"]) == ("512", "1024")
    assert shown["compatibilities"] == ["EC2", "FARGATE"]
    assert shown["status"] == "ACTIVE"
    [container] = shown["containerDefinitions"]
    assert container["portMappings"] == [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]
    assert container["healthCheck"]["interval"] == 30
    assert container["mountPoints"] == []


LOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}


@pytest.mark.parametrize(
    ("task", "container", "words"),
    [
        ({"cpu": "256", "memory": "256"}, {}, "256 CPU, 256 memory. See the Amazon ECS"),
        ({"cpu": "300", "memory": "512"}, {}, "No Fargate configuration exists for given values"),
        ({"cpu": "8192", "memory": "17408"}, {}, "No Fargate configuration exists"),
        ({"memory": None}, {}, "Fargate requires that 'memory' be defined at the task level."),
        ({"cpu": "lots"}, {}, "Invalid 'cpu' setting for task."),
        ({"networkMode": "bridge"}, {}, "Fargate only supports network mode"),
        ({"pidMode": "host"}, {}, "do not support pidMode 'host'"),
        ({"containerDefinitions": []}, {}, "Container list cannot be empty."),
        ({}, {"name": ""}, "Container.name should not be null or empty."),
        ({}, {"image": ""}, "Container.image should not be null or empty."),
        ({}, {"memory": 1024}, "The 'memory' setting for container is greater than for the task."),
        ({}, {"essential": False}, "At least one container must be marked as essential."),
        (
            {},
            {"portMappings": [{"containerPort": 80, "hostPort": 81}]},
            "When networkMode=awsvpc, the host ports and container ports in port mappings must",
        ),
        (
            {"executionRoleArn": None},
            {"logConfiguration": LOGS},
            "Fargate requires task definition to have execution role ARN to support log driver",
        ),
        (
            {"executionRoleArn": None},
            {"image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1"},
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        ),
        (
            {"executionRoleArn": None},
            {"secrets": [{"name": "A", "valueFrom": "b"}]},
            "When you are specifying container secrets, you must also specify a value for",
        ),
        (
            {},
            {"dependsOn": [{"containerName": "db", "condition": "START"}]},
            "depends on 'db', which is not in the task definition",
        ),
        (
            {},
            {"dependsOn": [{"containerName": "web", "condition": "START"}]},
            "There is a cycle in the container dependencies.",
        ),
    ],
)
def test_wrong_definition_is_refused_in_aws_words(
    ecs: Any, task: dict[str, Any], container: dict[str, Any], words: str
) -> None:
    given = web_definition(**container) | task
    with pytest.raises(ClientError) as caught:
        ecs.register_task_definition(**{k: v for k, v in given.items() if v is not None})
    code, message = error_of(caught)
    assert code == "ClientException"
    assert words in message


@pytest.mark.parametrize(
    ("task", "container", "words"),
    [
        ({"volumes": [{"name": "data"}]}, {}, "volumes"),
        ({}, {"environmentFiles": [{"value": "a", "type": "s3"}]}, "environmentFiles"),
        ({}, {"logConfiguration": {"logDriver": "splunk"}}, "logDriver splunk"),
    ],
)
def test_what_no_runtime_honours_is_refused_loudly(
    ecs: Any, task: dict[str, Any], container: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError) as caught:
        ecs.register_task_definition(**web_definition(**container) | task)
    code, message = error_of(caught)
    assert code == "NotImplemented"
    assert words in message


def test_execution_role_is_not_asked_for_when_nothing_needs_it(ecs: Any) -> None:
    given = {k: v for k, v in web_definition().items() if k != "executionRoleArn"}
    assert ROLE not in str(ecs.register_task_definition(**given)["taskDefinition"])


def test_records_outlive_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.client() as before:
        before.create_cluster(clusterName="kept")
        before.register_task_definition(**web_definition())
    with world.client() as after:
        [cluster] = after.describe_clusters(clusters=["kept"])["clusters"]
        assert cluster["status"] == "ACTIVE"
        again = after.register_task_definition(**web_definition())["taskDefinition"]
        assert again["revision"] == 2
