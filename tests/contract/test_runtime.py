"""The one contract that every `ContainerRuntime` keeps; see `ALL_RUNTIMES`."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker_case import DockerCase
from patience import eventually
from process_case import ProcessCase
from runtime_cases import RUNTIMES, Behaviour, RuntimeCase

from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerState,
    ImagePullError,
    LogLine,
    StartError,
    TaskObservation,
    TaskSpec,
)

ARN = "arn:aws:ecs:us-east-1:000000000000:task/dev/"
TASK_A = ARN + "a" * 32
TASK_B = ARN + "b" * 32
SERVER = Behaviour(port=8080)


ALL_RUNTIMES: dict[str, Callable[[Path], RuntimeCase]] = {
    **RUNTIMES,
    "process": ProcessCase,
    "docker": DockerCase,
}


@pytest.fixture(params=sorted(ALL_RUNTIMES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RuntimeCase]:
    made = ALL_RUNTIMES[request.param](tmp_path)
    yield made
    made.close()


def create(case: RuntimeCase, arn: str, **containers: Behaviour) -> TaskSpec:
    specs = [case.container(name, behaviour) for name, behaviour in containers.items()]
    for spec in specs:
        case.runtime.pull(spec.image, spec.image_digest)
    task = TaskSpec(task_arn=arn, cluster="dev", family="web", containers=tuple(specs))
    case.runtime.create_task(task)
    return task


def observed(case: RuntimeCase, arn: str) -> TaskObservation | None:
    return next((t for t in case.runtime.observe() if t.task_arn == arn), None)


def container(case: RuntimeCase, arn: str, name: str) -> ContainerObservation:
    task = observed(case, arn)
    assert task is not None
    return next(c for c in task.containers if c.name == name)


def wait_state(
    case: RuntimeCase, arn: str, name: str, state: ContainerState
) -> ContainerObservation:
    eventually(lambda: container(case, arn, name).state is state)
    return container(case, arn, name)


def test_created_task_is_observed_with_its_address_and_nothing_started(case: RuntimeCase) -> None:
    create(case, TASK_A, web=SERVER, side=Behaviour())
    task = observed(case, TASK_A)
    assert task is not None
    assert task.address
    assert 8080 in task.ports
    assert {c.name: c.state for c in task.containers} == {
        "web": ContainerState.CREATED,
        "side": ContainerState.CREATED,
    }


def test_creating_a_task_again_finds_it(case: RuntimeCase) -> None:
    spec = create(case, TASK_A, web=SERVER)
    first = observed(case, TASK_A)
    again = case.runtime.create_task(spec)
    assert first is not None
    assert again.address == first.address
    assert [t.task_arn for t in case.runtime.observe()] == [TASK_A]


def test_started_container_runs_until_it_is_stopped(case: RuntimeCase) -> None:
    create(case, TASK_A, web=SERVER)
    case.runtime.start_container(TASK_A, "web")
    running = wait_state(case, TASK_A, "web", ContainerState.RUNNING)
    assert running.runtime_id
    assert running.started_at is not None
    case.runtime.stop_container(TASK_A, "web", 10)
    stopped = wait_state(case, TASK_A, "web", ContainerState.STOPPED)
    assert stopped.exit_code is not None
    assert stopped.finished_at is not None


def test_starting_a_running_container_leaves_it_alone(case: RuntimeCase) -> None:
    create(case, TASK_A, web=SERVER)
    case.runtime.start_container(TASK_A, "web")
    first = wait_state(case, TASK_A, "web", ContainerState.RUNNING)
    case.runtime.start_container(TASK_A, "web")
    second = container(case, TASK_A, "web")
    assert (second.runtime_id, second.started_at) == (first.runtime_id, first.started_at)


def test_port_answers_at_the_tasks_address(case: RuntimeCase) -> None:
    if not case.really_listens:
        pytest.skip("this runtime opens no ports by design")
    create(case, TASK_A, web=SERVER)
    create(case, TASK_B, web=SERVER)
    for arn in (TASK_A, TASK_B):
        case.runtime.start_container(arn, "web")
        eventually(lambda arn=arn: _connects(case, arn))  # type: ignore[misc]


def _connects(case: RuntimeCase, arn: str) -> bool:
    task = observed(case, arn)
    assert task is not None
    try:
        socket.create_connection((task.address, task.ports[8080]), timeout=1).close()
    except OSError:
        return False
    return True


def test_two_tasks_never_share_an_endpoint(case: RuntimeCase) -> None:
    create(case, TASK_A, web=SERVER)
    create(case, TASK_B, web=SERVER)
    endpoints = {(t.address, t.ports[8080]) for t in case.runtime.observe()}
    assert len(endpoints) == 2


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_of_an_ended_container_is_observed(case: RuntimeCase, code: int) -> None:
    create(case, TASK_A, job=Behaviour(exit_code=code))
    case.runtime.start_container(TASK_A, "job")
    assert wait_state(case, TASK_A, "job", ContainerState.STOPPED).exit_code == code


def test_container_that_ignores_sigterm_is_killed_after_its_time(case: RuntimeCase) -> None:
    stubborn = Behaviour(ignores_sigterm=True, prints=("ready",))
    create(case, TASK_A, web=stubborn)
    case.runtime.start_container(TASK_A, "web")
    eventually(lambda: bool(case.runtime.read_log(TASK_A, "web", 0).lines))
    case.runtime.stop_container(TASK_A, "web", 0.3)
    assert wait_state(case, TASK_A, "web", ContainerState.STOPPED).exit_code == 137


def test_stopping_one_container_leaves_its_neighbour_running(case: RuntimeCase) -> None:
    create(case, TASK_A, web=SERVER, side=Behaviour())
    for name in ("web", "side"):
        case.runtime.start_container(TASK_A, name)
    case.runtime.stop_container(TASK_A, "side", 5)
    wait_state(case, TASK_A, "side", ContainerState.STOPPED)
    assert container(case, TASK_A, "web").state is ContainerState.RUNNING


def test_removed_task_is_forgotten_and_removing_again_is_safe(case: RuntimeCase) -> None:
    create(case, TASK_A, job=Behaviour(exit_code=0))
    case.runtime.start_container(TASK_A, "job")
    wait_state(case, TASK_A, "job", ContainerState.STOPPED)
    case.runtime.remove_task(TASK_A)
    case.runtime.remove_task(TASK_A)
    assert observed(case, TASK_A) is None


def test_missing_image_cannot_be_pulled(case: RuntimeCase) -> None:
    with pytest.raises(ImagePullError, match=r"^CannotPullContainerError"):
        case.runtime.pull(case.missing_image(), "")


def test_unstartable_command_is_a_start_error(case: RuntimeCase) -> None:
    create(case, TASK_A, web=Behaviour(startable=False))
    with pytest.raises(StartError, match=r"^CannotStartContainerError"):
        case.runtime.start_container(TASK_A, "web")


def test_log_is_read_once_and_in_order_by_offset(case: RuntimeCase) -> None:
    lines = ("first", "second line", "żółw")
    create(case, TASK_A, job=Behaviour(prints=lines, exit_code=0))
    case.runtime.start_container(TASK_A, "job")
    wait_state(case, TASK_A, "job", ContainerState.STOPPED)
    seen: list[LogLine] = []
    offset = 0

    def read_on() -> bool:
        nonlocal offset
        page = case.runtime.read_log(TASK_A, "job", offset)
        seen.extend(page.lines)
        offset = page.next_offset
        return len(seen) >= len(lines)

    eventually(read_on)
    assert tuple(line.message for line in seen) == lines
    assert all(line.timestamp_ms > 1_600_000_000_000 for line in seen)
    again = case.runtime.read_log(TASK_A, "job", offset)
    assert (again.lines, again.next_offset) == ((), offset)


def test_new_runtime_adopts_what_runs(case: RuntimeCase) -> None:
    create(case, TASK_A, web=SERVER)
    case.runtime.start_container(TASK_A, "web")
    before = wait_state(case, TASK_A, "web", ContainerState.RUNNING)
    address = observed(case, TASK_A)
    case.reopen()
    after = container(case, TASK_A, "web")
    adopted = observed(case, TASK_A)
    assert address is not None
    assert adopted is not None
    assert (adopted.address, adopted.ports) == (address.address, address.ports)
    assert (after.runtime_id, after.state) == (before.runtime_id, ContainerState.RUNNING)
    case.runtime.stop_container(TASK_A, "web", 10)
    assert wait_state(case, TASK_A, "web", ContainerState.STOPPED).exit_code is not None


def test_unread_log_survives_the_runtime(case: RuntimeCase) -> None:
    create(case, TASK_A, job=Behaviour(prints=("kept",), exit_code=0))
    case.runtime.start_container(TASK_A, "job")
    wait_state(case, TASK_A, "job", ContainerState.STOPPED)
    case.reopen()
    eventually(lambda: bool(case.runtime.read_log(TASK_A, "job", 0).lines))
    assert case.runtime.read_log(TASK_A, "job", 0).lines[0].message == "kept"
