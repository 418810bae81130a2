"""After a kill the local ECS adopts what runs and replaces what is gone, starting nothing twice."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ecs_sandbox import (
    LOAD_BALANCERS,
    NETWORK,
    TARGET_GROUP,
    World,
    ecs_client,
    serve,
    web_definition,
)
from patience import eventually

from sandbox.aws.ecs.records import LogCursor
from sandbox.aws.runtime.fake import FakeRuntime
from sandbox.aws.store import RecordStore

LOGS = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/ecs/web",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
    },
}


def create_service(ecs: Any) -> None:
    ecs.create_cluster(clusterName="dev")
    ecs.register_task_definition(**web_definition(logConfiguration=LOGS))
    ecs.create_service(
        cluster="dev",
        serviceName="web",
        taskDefinition="web",
        desiredCount=2,
        launchType="FARGATE",
        networkConfiguration=NETWORK,
        loadBalancers=LOAD_BALANCERS,
    )


def service(ecs: Any) -> dict[str, Any]:
    return dict(ecs.describe_services(cluster="dev", services=["web"])["services"][0])


def is_steady(ecs: Any) -> bool:
    shown = service(ecs)
    return bool(
        shown["events"]
        and shown["events"][0]["message"].endswith("has reached a steady state.")
        and shown["runningCount"] == 2
    )


def running(ecs: Any) -> set[str]:
    return set(ecs.list_tasks(cluster="dev")["taskArns"])


def test_running_tasks_are_adopted(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.client() as ecs:
        create_service(ecs)
        eventually(lambda: is_steady(ecs))
        before, events = running(ecs), service(ecs)["events"]
    starts = list(world.machine.starts)
    for arn in before:
        world.runtime.write_log(arn, "web", ["while away"])
    with world.client() as ecs:
        stream = ("/ecs/web", f"ecs/web/{min(before).rpartition('/')[2]}")
        eventually(lambda: world.logs.streams.get(stream) == ["while away"])
        assert running(ecs) == before
        assert service(ecs)["events"] == events
        assert world.machine.starts == starts


def test_lines_that_were_put_before_the_kill_are_not_put_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.plane() as plane, serve(plane) as url:
        ecs: Any = ecs_client(url)
        create_service(ecs)
        eventually(lambda: is_steady(ecs))
        arn = ecs.list_tasks(cluster="dev")["taskArns"][0]
        world.runtime.write_log(arn, "web", ["once"])
        stream = ("/ecs/web", f"ecs/web/{arn.rpartition('/')[2]}")
        eventually(lambda: world.logs.streams.get(stream) == ["once"])
    # What a kill between the put and the stored offset leaves behind.
    store = RecordStore(world.state_dir / "records.db")
    store.table("ecs_log_cursor", LogCursor).delete(f"{arn}/web")
    store.close()
    world.runtime.write_log(arn, "web", ["then"])
    with world.plane():
        eventually(lambda: "then" in world.logs.streams[stream])
    assert world.logs.streams[stream] == ["once", "then"]


def test_vanished_task_is_stopped_and_replaced(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.client() as ecs:
        create_service(ecs)
        eventually(lambda: is_steady(ecs))
        before = running(ecs)
    lost = min(before)
    world.runtime.remove_task(lost)
    with world.client() as ecs:
        eventually(lambda: lost not in running(ecs) and is_steady(ecs))
        [shown] = ecs.describe_tasks(cluster="dev", tasks=[lost])["tasks"]
        assert shown["lastStatus"] == "STOPPED"
        assert before - {lost} < running(ecs)
        assert len(world.registrar.targets[TARGET_GROUP]) == 2


def test_container_that_ended_while_away_is_noticed(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.client() as ecs:
        create_service(ecs)
        eventually(lambda: is_steady(ecs))
        dead = min(running(ecs))
    world.runtime.exit_container(dead, "web", 9)
    with world.client() as ecs:
        eventually(lambda: dead not in running(ecs) and is_steady(ecs))
        [shown] = ecs.describe_tasks(cluster="dev", tasks=[dead])["tasks"]
        assert shown["containers"][0]["exitCode"] == 9


def test_task_that_no_record_claims_is_removed(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.client() as ecs:
        create_service(ecs)
        eventually(lambda: is_steady(ecs))
    for file in tmp_path.glob("records.db*"):
        file.unlink()
    with world.client():
        eventually(lambda: world.runtime.observe() == ())


class Killed(BaseException):
    """Stands for the death of the process: nothing after it runs."""


class DyingRuntime(FakeRuntime):
    """Dies at its n-th call that changes something, before or after the effect."""

    def __init__(self, world: World, *, at: int, after: bool) -> None:
        super().__init__(world.machine)
        self.left, self.after, self.dead = at, after, False

    def _call(self, effect: Callable[[], Any]) -> Any:
        if self.dead:
            raise Killed
        self.left -= 1
        if self.left > 0:
            return effect()
        self.dead = True
        if self.after:
            effect()
        raise Killed

    def create_task(self, spec: Any) -> Any:
        return self._call(lambda: FakeRuntime.create_task(self, spec))

    def start_container(self, task_arn: str, container_name: str) -> None:
        self._call(lambda: FakeRuntime.start_container(self, task_arn, container_name))

    def remove_task(self, task_arn: str) -> None:
        self._call(lambda: FakeRuntime.remove_task(self, task_arn))

    def stop_container(self, task_arn: str, container_name: str, timeout_s: float) -> None:
        self._call(lambda: FakeRuntime.stop_container(self, task_arn, container_name, timeout_s))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("after", [False, True], ids=["before-the-effect", "after-the-effect"])
@pytest.mark.parametrize("at", range(1, 9))
def test_death_at_any_runtime_call_loses_and_doubles_nothing(
    tmp_path: Path, at: int, *, after: bool
) -> None:
    world = World(tmp_path / "a")
    world.state_dir.mkdir()
    dying = DyingRuntime(world, at=at, after=after)
    with world.plane(runtime=dying) as plane, serve(plane) as url:
        ecs = ecs_client(url)
        create_service(ecs)
        if at > 4:  # the first four calls make and start two tasks
            eventually(lambda: is_steady(ecs))
            ecs.update_service(cluster="dev", service="web", forceNewDeployment=True)
        eventually(lambda: dying.dead)
        copy = tmp_path / "b"
        shutil.copytree(world.state_dir, copy)
    world.state_dir = copy
    with world.client() as ecs:
        eventually(lambda: is_steady(ecs) and len(service(ecs)["deployments"]) == 1)
        assert len(running(ecs)) == 2
        assert {t.task_arn for t in world.runtime.observe()} == running(ecs)
        assert len(world.machine.starts) == len(set(world.machine.starts))
        assert len(world.machine.starts) == (2 if at <= 4 else 4)
