"""The next step of a task's life as a table."""

from dataclasses import replace
from datetime import timedelta

import pytest
from ecs_builders import GROUP, NOW, task

from sandbox.aws.ecs.containers import ContainerDefinition
from sandbox.aws.ecs.lifecycle import TaskView, advance
from sandbox.aws.ecs.records import Container, Task
from sandbox.aws.ports import TargetHealth


def definition(name: str, *needs: tuple[str, str], **changes: object) -> ContainerDefinition:
    made = ContainerDefinition(
        name=name,
        image=name,
        essential=True,
        entry_point=(),
        command=(),
        environment={},
        secrets={},
        working_directory="",
        user="",
        ports=(80,),
        cpu=0,
        memory=None,
        memory_reservation=None,
        read_only_root=False,
        health_check=None,
        depends_on=needs,
        start_timeout_s=None,
        stop_timeout_s=30,
        log=None,
        pins_digest=True,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def steps(
    given: Task,
    *definitions: ContainerDefinition,
    held: bool = True,
    prepared: bool = False,
    preparing: bool = False,
    targets: dict[tuple[str, int], TargetHealth] | None = None,
) -> list[str]:
    view = TaskView(
        is_held=held,
        is_prepared=prepared,
        is_preparing=preparing,
        targets={GROUP: targets or {}},
    )
    operations = advance(given, definitions or (definition("web"),), view, now=NOW)
    return [f"{o.act} {o.container_name or o.code}".strip() for o in operations]


def at(status: str, **changes: object) -> Task:
    return replace(task(1, state="pending"), last_status=status, **changes)  # type: ignore[arg-type]


def containers(**statuses: str) -> tuple[Container, ...]:
    return tuple(
        Container(arn=name, name=name, image=name, last_status=status, started_at=NOW)
        for name, status in statuses.items()
    )


PENDING = containers(web="PENDING")


@pytest.mark.parametrize(
    ("given", "view", "expected"),
    [
        (at("PROVISIONING", containers=PENDING), {"held": False}, ["PROVISION"]),
        (at("PENDING", containers=PENDING), {"held": False}, ["PREPARE"]),
        (at("PENDING", containers=PENDING), {"held": False, "preparing": True}, []),
        (at("ACTIVATING", containers=PENDING), {"held": False, "prepared": True}, ["CREATE"]),
        (at("ACTIVATING", containers=PENDING), {"held": False}, ["PREPARE"]),
        (at("ACTIVATING", containers=PENDING), {}, ["START web"]),
        (at("ACTIVATING"), {}, ["REPORT_RUNNING"]),
        (at("RUNNING"), {}, ["REGISTER"]),
        (task(1), {}, []),
        (task(1), {"held": False}, ["END Vanished"]),
        (
            task(1, containers=containers(web="STOPPED")),
            {},
            ["END EssentialContainerExited"],
        ),
    ],
    ids=[
        "new",
        "needs-image",
        "being-prepared",
        "prepared",
        "after-a-restart-prepares-again",
        "made",
        "started",
        "running-registers",
        "running-does-nothing",
        "vanished",
        "essential-ended",
    ],
)
def test_wanted_task(given: Task, view: dict[str, bool], expected: list[str]) -> None:
    assert steps(given, **view) == expected  # type: ignore[arg-type]


def ending(base: Task, status: str, **changes: object) -> Task:
    return replace(base, desired_status="STOPPED", last_status=status, **changes)  # type: ignore[arg-type]


DRAINED = tuple(replace(t, registered=False) for t in task(1).targets)
DRAINING = {("new1", 80): TargetHealth(state="draining")}


@pytest.mark.parametrize(
    ("given", "view", "expected"),
    [
        (ending(task(1), "RUNNING"), {}, ["DEREGISTER"]),
        (ending(task(1), "DEACTIVATING", targets=DRAINED), {"targets": DRAINING}, []),
        (ending(task(1), "DEACTIVATING", targets=DRAINED), {}, ["REPORT_STOPPING"]),
        (
            ending(task(1), "DEACTIVATING", targets=DRAINED, containers=containers(web="STOPPED")),
            {"targets": DRAINING},
            ["REPORT_STOPPING"],
        ),
        (ending(task(1), "STOPPING", targets=DRAINED), {}, ["STOP web"]),
        (
            ending(task(1), "STOPPING", targets=DRAINED, containers=containers(web="STOPPED")),
            {},
            ["REPORT_DEPROVISIONING"],
        ),
        (ending(task(1), "STOPPING", targets=DRAINED), {"held": False}, ["REPORT_DEPROVISIONING"]),
        (ending(task(1), "DEPROVISIONING", targets=DRAINED), {}, ["RELEASE"]),
    ],
    ids=[
        "deregisters-first",
        "waits-while-it-drains",
        "stops-once-drained",
        "a-dead-task-does-not-wait",
        "asks-containers-to-end",
        "all-ended",
        "nothing-held",
        "gives-back",
    ],
)
def test_unwanted_task(given: Task, view: dict[str, object], expected: list[str]) -> None:
    assert steps(given, **view) == expected  # type: ignore[arg-type]


def test_containers_stop_in_the_reverse_order_of_dependencies() -> None:
    web, db = definition("web", ("db", "START")), definition("db")
    both = ending(
        task(1), "STOPPING", targets=DRAINED, containers=containers(web="RUNNING", db="RUNNING")
    )
    assert steps(both, web, db) == ["STOP web"]
    left = replace(both, containers=containers(web="STOPPED", db="RUNNING"))
    assert steps(left, web, db) == ["STOP db"]


@pytest.mark.parametrize(
    ("condition", "other", "expected"),
    [
        ("START", Container(arn="", name="db", image="", last_status="RUNNING"), "START web"),
        (
            "COMPLETE",
            Container(arn="", name="db", image="", last_status="RUNNING", essential=False),
            "",
        ),
        (
            "SUCCESS",
            Container(
                arn="", name="db", image="", last_status="STOPPED", exit_code=0, essential=False
            ),
            "START web",
        ),
        (
            "SUCCESS",
            Container(
                arn="", name="db", image="", last_status="STOPPED", exit_code=1, essential=False
            ),
            "END TaskFailedToStart",
        ),
        (
            "HEALTHY",
            Container(arn="", name="db", image="", last_status="RUNNING", health_status="UNKNOWN"),
            "",
        ),
        (
            "HEALTHY",
            Container(arn="", name="db", image="", last_status="RUNNING", health_status="HEALTHY"),
            "START web",
        ),
    ],
)
def test_dependency_decides_about_the_start(
    condition: str, other: Container, expected: str
) -> None:
    given = at("ACTIVATING", containers=(*PENDING, other))
    got = steps(given, definition("web", ("db", condition)), definition("db"))
    assert got == ([expected] if expected else [])


def test_start_timeout_of_the_dependency_counts_from_its_start() -> None:
    web = definition("web", ("db", "COMPLETE"))
    db = definition("db", start_timeout_s=60, essential=False)
    other = Container(
        arn="", name="db", image="", essential=False, last_status="RUNNING", started_at=NOW
    )
    early = replace(other, started_at=NOW - timedelta(seconds=59))
    late = replace(other, started_at=NOW - timedelta(seconds=60))
    assert steps(at("ACTIVATING", containers=(*PENDING, early)), web, db) == []
    assert steps(at("ACTIVATING", containers=(*PENDING, late)), web, db) == [
        "END TaskFailedToStart"
    ]
