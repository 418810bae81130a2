"""A task has the credentials of its task role, and none without one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ecs_sandbox import NETWORK, ROLE, World, ecs_client, serve, web_definition

from sandbox.aws.ecs.plane import EcsPlane
from sandbox.aws.store import RecordStore
from sandbox.aws.trail.callers import TaskCredentials
from sandbox.clock import TimeScale

KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ecs(world: World) -> Iterator[Any]:
    store = RecordStore(world.state_dir / "records.db")
    plane = EcsPlane(
        store=store,
        runtime=world.runtime,
        registrar=world.registrar,
        images=world.images,
        logs=world.logs,
        secrets=world.secrets,
        network=world.network,
        roles=world.roles,
        time_scale=TimeScale(100),
        task_environment={},
        credentials=TaskCredentials(),
    )
    plane.start()
    with serve(plane) as url:
        client: Any = ecs_client(url)
        client.create_cluster(clusterName="dev")
        yield client
    plane.stop()
    store.close()


def environment(ecs: Any, world: World, definition: dict[str, Any]) -> dict[str, str]:
    """Run one task; return what its container was given."""
    ecs.register_task_definition(**definition)
    answer = ecs.run_task(
        cluster="dev", taskDefinition="web", launchType="FARGATE", networkConfiguration=NETWORK
    )
    arn = answer["tasks"][0]["taskArn"]
    waiter = ecs.get_waiter("tasks_running")
    waiter.wait(cluster="dev", tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    return dict(world.machine.specs[arn]["web"].environment)


def test_task_with_a_task_role_has_its_credentials(ecs: Any, world: World) -> None:
    first = environment(ecs, world, web_definition() | {"taskRoleArn": ROLE})
    second = environment(ecs, world, web_definition() | {"taskRoleArn": ROLE})
    assert first.keys() >= KEYS
    assert first["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert len(first["AWS_ACCESS_KEY_ID"]) == 20
    assert first["AWS_ACCESS_KEY_ID"] != second["AWS_ACCESS_KEY_ID"]


def test_task_without_a_task_role_has_none(ecs: Any, world: World) -> None:
    definition = {k: v for k, v in web_definition().items() if k != "taskRoleArn"}
    assert not KEYS & environment(ecs, world, definition).keys()


def test_own_values_of_a_task_definition_win(ecs: Any, world: World) -> None:
    own = [{"name": "AWS_ACCESS_KEY_ID", "value": "mine"}]
    given = environment(ecs, world, web_definition(environment=own) | {"taskRoleArn": ROLE})
    assert given["AWS_ACCESS_KEY_ID"] == "mine"
