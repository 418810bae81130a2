"""ECS tasks by boto3 over HTTP: life cycle, several containers, secrets, logs, stopped reasons."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ecs_sandbox import NETWORK, ROLE, World, web_definition
from patience import eventually

from sandbox.aws.runtime.fake import Program
from sandbox.aws.runtime.port import HealthStatus

FAST = {"Delay": 1, "MaxAttempts": 120}
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf"
LOGS = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/ecs/web",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
    },
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ecs(world: World) -> Iterator[Any]:
    with world.client() as client:
        client.create_cluster(clusterName="dev")
        yield client


def run(ecs: Any, **changes: Any) -> str:
    request = {
        "cluster": "dev",
        "taskDefinition": "web",
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
        **changes,
    }
    [task] = ecs.run_task(**request)["tasks"]
    return str(task["taskArn"])


def task(ecs: Any, arn: str) -> dict[str, Any]:
    return dict(ecs.describe_tasks(cluster="dev", tasks=[arn])["tasks"][0])


def wait_status(ecs: Any, arn: str, status: str) -> dict[str, Any]:
    eventually(lambda: task(ecs, arn)["lastStatus"] == status)
    return task(ecs, arn)


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    definition = web_definition()
    definition["containerDefinitions"] = [
        {"image": f"example/{item['name']}:1", **item} for item in items
    ]
    return definition


def test_task_runs_until_it_is_stopped(ecs: Any, world: World) -> None:
    ecs.register_task_definition(**web_definition())
    arn = run(ecs, startedBy="test", group="batch")
    assert len(arn.rpartition("/")[2]) == 32
    ecs.get_waiter("tasks_running").wait(cluster="dev", tasks=[arn], WaiterConfig=FAST)
    running = task(ecs, arn)
    assert running["connectivity"] == "CONNECTED"
    assert (running["startedBy"], running["group"]) == ("test", "batch")
    assert running["attachments"][0]["status"] == "ATTACHED"
    order = ["createdAt", "pullStartedAt", "pullStoppedAt", "startedAt"]
    assert sorted(order, key=lambda key: running[key]) == order
    ecs.stop_task(cluster="dev", task=arn, reason="enough")
    ecs.get_waiter("tasks_stopped").wait(cluster="dev", tasks=[arn], WaiterConfig=FAST)
    stopped = task(ecs, arn)
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
    assert stopped["desiredStatus"] == "STOPPED"
    assert stopped["containers"][0]["exitCode"] == 143
    assert stopped["version"] > running["version"]
    assert stopped["stoppingAt"] <= stopped["executionStoppedAt"] <= stopped["stoppedAt"]
    assert world.runtime.observe() == ()
    assert world.network.interfaces == {}


def test_job_ends_with_its_exit_code(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(exit_code=0)
    ecs.register_task_definition(**web_definition())
    arn = run(ecs)
    ended = wait_status(ecs, arn, "STOPPED")
    assert ended["stopCode"] == "EssentialContainerExited"
    assert ended["stoppedReason"] == "Essential container in task exited"
    assert ended["containers"][0]["exitCode"] == 0
    assert ended["startedAt"] <= ended["stoppedAt"]


def test_task_that_ignores_sigterm_is_killed_after_stop_timeout(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(ignores_sigterm=True)
    ecs.register_task_definition(**web_definition(stopTimeout=1))
    arn = run(ecs)
    wait_status(ecs, arn, "RUNNING")
    ecs.stop_task(cluster="dev", task=arn)
    assert task(ecs, arn)["lastStatus"] in {"RUNNING", "STOPPING"}
    assert wait_status(ecs, arn, "STOPPED")["containers"][0]["exitCode"] == 137


def test_essential_container_takes_its_neighbours_down(ecs: Any, world: World) -> None:
    ecs.register_task_definition(**containers({"name": "web"}, {"name": "side"}))
    arn = run(ecs)
    wait_status(ecs, arn, "RUNNING")
    world.runtime.exit_container(arn, "web", 5)
    ended = wait_status(ecs, arn, "STOPPED")
    codes = {c["name"]: c["exitCode"] for c in ended["containers"]}
    assert codes == {"web": 5, "side": 143}


def test_container_that_is_not_essential_may_end(ecs: Any, world: World) -> None:
    world.machine.programs["example/init:1"] = Program(exit_code=0)
    ecs.register_task_definition(
        **containers({"name": "web"}, {"name": "init", "essential": False})
    )
    arn = run(ecs)
    running = wait_status(ecs, arn, "RUNNING")
    assert {c["name"]: c["lastStatus"] for c in running["containers"]} == {
        "web": "RUNNING",
        "init": "STOPPED",
    }


def needs(name: str, condition: str) -> list[dict[str, str]]:
    return [{"containerName": name, "condition": condition}]


@pytest.mark.parametrize("condition", ["START", "HEALTHY"])
def test_dependency_starts_first_and_stops_last(ecs: Any, world: World, condition: str) -> None:
    check = {"healthCheck": {"command": ["CMD", "true"]}} if condition == "HEALTHY" else {}
    ecs.register_task_definition(
        **containers({"name": "web", "dependsOn": needs("db", condition)}, {"name": "db", **check})
    )
    arn = run(ecs)
    wait_status(ecs, arn, "RUNNING")
    assert [name for _, name in world.machine.starts] == ["db", "web"]


def test_unhealthy_dependency_keeps_the_task_from_starting(ecs: Any, world: World) -> None:
    world.machine.programs["example/db:1"] = Program(health=HealthStatus.UNHEALTHY)
    ecs.register_task_definition(
        **containers(
            {"name": "web", "dependsOn": needs("db", "HEALTHY")},
            {"name": "db", "healthCheck": {"command": ["CMD", "false"]}},
        )
    )
    arn = run(ecs)
    ended = wait_status(ecs, arn, "STOPPED")
    assert ended["stopCode"] == "TaskFailedToStart"
    assert "db" in ended["stoppedReason"]
    assert [name for _, name in world.machine.starts] == ["db"]


@pytest.mark.parametrize(
    ("condition", "exit_code", "started"),
    [("SUCCESS", 0, True), ("SUCCESS", 1, False), ("COMPLETE", 1, True)],
)
def test_container_waits_for_the_end_of_its_dependency(
    ecs: Any, world: World, condition: str, exit_code: int, *, started: bool
) -> None:
    world.machine.programs["example/init:1"] = Program(exit_code=exit_code)
    ecs.register_task_definition(
        **containers(
            {"name": "web", "dependsOn": needs("init", condition)},
            {"name": "init", "essential": False},
        )
    )
    arn = run(ecs)
    wait_status(ecs, arn, "RUNNING" if started else "STOPPED")
    assert ((arn, "web") in world.machine.starts) is started


def test_start_timeout_gives_a_dependency_up(ecs: Any, world: World) -> None:
    ecs.register_task_definition(
        **containers(
            {"name": "web", "dependsOn": needs("init", "COMPLETE")},
            {"name": "init", "essential": False, "startTimeout": 1},
        )
    )
    ended = wait_status(ecs, run(ecs), "STOPPED")
    assert ended["stopCode"] == "TaskFailedToStart"
    assert "within 1 seconds" in ended["stoppedReason"]


def test_environment_is_the_definitions_the_overrides_and_the_platforms(
    ecs: Any, world: World
) -> None:
    world.secrets.values[SECRET + ":password::"] = "s3cret"
    ecs.register_task_definition(
        **web_definition(
            environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            secrets=[{"name": "PASSWORD", "valueFrom": SECRET + ":password::"}],
        )
    )
    override = {
        "name": "web",
        "command": ["serve"],
        "environment": [{"name": "B", "value": "2"}],
    }
    arn = run(ecs, overrides={"containerOverrides": [override]})
    wait_status(ecs, arn, "RUNNING")
    spec = world.machine.specs[arn]["web"]
    assert spec.command == ("serve",)
    assert dict(spec.environment) == {
        "A": "1",
        "B": "2",
        "PASSWORD": "s3cret",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    }


def test_missing_secret_is_a_resource_initialization_error(ecs: Any) -> None:
    ecs.register_task_definition(
        **web_definition(secrets=[{"name": "PASSWORD", "valueFrom": SECRET}])
    )
    ended = wait_status(ecs, run(ecs), "STOPPED")
    assert ended["stopCode"] == "TaskFailedToStart"
    assert ended["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")
    assert "ResourceNotFoundException" in ended["stoppedReason"]
    assert "pullStoppedAt" not in ended


def test_role_that_vanished_is_a_resource_initialization_error(ecs: Any, world: World) -> None:
    ecs.register_task_definition(**web_definition())
    ecs.create_service(
        cluster="dev",
        serviceName="web",
        taskDefinition="web",
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration=NETWORK,
    )
    world.roles.roles.clear()
    ecs.update_service(cluster="dev", service="web", desiredCount=1)
    eventually(lambda: bool(ecs.list_tasks(cluster="dev", desiredStatus="STOPPED")["taskArns"]))
    [arn, *_] = ecs.list_tasks(cluster="dev", desiredStatus="STOPPED")["taskArns"]
    assert task(ecs, arn)["stoppedReason"].startswith("ResourceInitializationError: ")
    assert f"unable to assume the role '{ROLE}'" in task(ecs, arn)["stoppedReason"]


def test_missing_log_group_is_a_resource_initialization_error(ecs: Any, world: World) -> None:
    world.logs.groups.clear()
    ecs.register_task_definition(**web_definition(logConfiguration=LOGS))
    ended = wait_status(ecs, run(ecs), "STOPPED")
    assert ended["stoppedReason"].startswith("ResourceInitializationError: failed to validate")


def test_output_reaches_its_stream_to_the_last_line(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(stdout=("hello", "world"))
    ecs.register_task_definition(**web_definition(logConfiguration=LOGS))
    arn = run(ecs)
    stream = ("/ecs/web", f"ecs/web/{arn.rpartition('/')[2]}")
    wait_status(ecs, arn, "RUNNING")
    eventually(lambda: world.logs.streams.get(stream) == ["hello", "world"])
    world.runtime.write_log(arn, "web", ["bye"])
    ecs.stop_task(cluster="dev", task=arn)
    wait_status(ecs, arn, "STOPPED")
    assert world.logs.streams[stream] == ["hello", "world", "bye"]


def test_log_group_is_created_when_asked_for(ecs: Any, world: World) -> None:
    options = {**LOGS["options"], "awslogs-group": "/new", "awslogs-create-group": "true"}  # type: ignore[dict-item]
    ecs.register_task_definition(
        **web_definition(logConfiguration={"logDriver": "awslogs", "options": options})
    )
    wait_status(ecs, run(ecs), "RUNNING")
    assert "/new" in world.logs.groups


def test_command_that_cannot_start_fails_the_task(ecs: Any, world: World) -> None:
    error = "CannotStartContainerError: exec: no such file"
    world.machine.programs["example/web:1"] = Program(start_error=error)
    ecs.register_task_definition(**web_definition())
    ended = wait_status(ecs, run(ecs), "STOPPED")
    assert (ended["stopCode"], ended["stoppedReason"]) == ("TaskFailedToStart", error)
    assert ended["containers"][0]["reason"] == error


def test_list_tasks_filters(ecs: Any) -> None:
    ecs.register_task_definition(**web_definition())
    ecs.register_task_definition(**{**web_definition(), "family": "other"})
    first = run(ecs, startedBy="me")
    second = run(ecs, taskDefinition="other")

    def listed(**filters: Any) -> list[str]:
        return list(ecs.list_tasks(cluster="dev", **filters)["taskArns"])

    assert set(listed()) == {first, second}
    assert listed(startedBy="me") == [first]
    assert listed(family="other") == [second]
    assert set(listed(launchType="FARGATE")) == {first, second}
    ecs.stop_task(cluster="dev", task=first)
    assert listed() == [second]
    assert listed(desiredStatus="STOPPED") == [first]
    page = ecs.list_tasks(cluster="dev", maxResults=1)
    assert page["taskArns"] == [second]


def test_client_token_makes_run_task_repeatable(ecs: Any) -> None:
    ecs.register_task_definition(**web_definition())
    assert run(ecs, clientToken="once") == run(ecs, clientToken="once")
    assert run(ecs, clientToken="twice") != run(ecs, clientToken="once")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"launchType": "EC2"}, "InvalidParameterException", "No Container Instances were found"),
        ({"count": 11}, "InvalidParameterException", "Count cannot be greater than 10."),
        (
            {"overrides": {"containerOverrides": [{"name": "x"}]}},
            "InvalidParameterException",
            "Override for container named x is not a container in the TaskDefinition.",
        ),
        (
            {"overrides": {"taskRoleArn": "arn:aws:iam::000000000000:role/gone"}},
            "ClientException",
            "ECS was unable to assume the role 'arn:aws:iam::000000000000:role/gone'",
        ),
    ],
)
def test_wrong_run_task_is_refused_in_aws_words(
    ecs: Any, changes: dict[str, Any], code: str, words: str
) -> None:
    ecs.register_task_definition(**web_definition())
    with pytest.raises(ClientError) as caught:
        run(ecs, **changes)
    assert caught.value.response["Error"]["Code"] == code
    assert words in caught.value.response["Error"]["Message"]


def test_unknown_task_is_a_failure_or_an_error(ecs: Any) -> None:
    answer = ecs.describe_tasks(cluster="dev", tasks=["f" * 32])
    assert answer["failures"][0]["reason"] == "MISSING"
    with pytest.raises(ClientError, match="The referenced task was not found"):
        ecs.stop_task(cluster="dev", task="f" * 32)
