"""Lives of a forked server: each begins empty, none outlives its owner, a death is told."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import EnvironmentNotReadyError, UsageError
from sandbox.testing.processes import ServerProcess
from sandbox.testing.settings import Wish

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess("AWS", "testing_fork_target:Target", tmp_path / "server")
    made.start(ENVIRONMENT, Wish())
    yield made
    made.close()


def test_every_life_begins_empty(server: ServerProcess) -> None:
    port = server.port
    for _ in range(3):
        assert server.call("see", what="a") == [["a"], ["a"]]
        assert server.call("see", what="b") == [["a", "b"], ["a", "b"]]
        server.begin(Wish())
    assert server.port == port


def test_a_life_collects_its_garbage_though_its_parent_does_not(server: ServerProcess) -> None:
    assert server.call("collects") is True


def test_a_life_ready_for_another_wish_is_not_taken(server: ServerProcess) -> None:
    server.settle()
    time.sleep(0.3)  # it makes the next life ready meanwhile; whether it has does not matter
    server.begin(Wish(runtime="process"))
    with pytest.raises(EnvironmentNotReadyError, match="cannot be started"):
        server.settle()
    server.begin(Wish())
    assert server.call("see", what="a") == [["a"], ["a"]]


def test_a_death_is_told_and_mended_by_the_next_life(server: ServerProcess) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="the server died: signal SIGKILL"):
        server.call("die")
    server.begin(Wish())
    assert server.call("see", what="a") == [["a"], ["a"]]


def test_a_mistake_in_a_call_is_told(server: ServerProcess) -> None:
    with pytest.raises(UsageError, match=r"^no such$"):
        server.call("such")


def test_a_server_that_cannot_be_made_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    server = ServerProcess("AWS", "testing_fork_target:Target", tmp_path / "server")
    server.start(ENVIRONMENT, Wish())
    with pytest.raises(EnvironmentNotReadyError, match="RuntimeError: cannot be imported"):
        server.settle()
    server.close()


@pytest.mark.parametrize("how", ["reset", "close", "owner dies"])
def test_what_a_life_left_is_ended(server: ServerProcess, how: str, tmp_path: Path) -> None:
    pid = server.call("leave")
    if how == "reset":
        server.begin(Wish())
        server.settle()
    elif how == "close":
        server.close()
    else:
        assert server._process is not None
        assert server._process.stdin is not None
        server._process.stdin.close()  # as the kernel does when the owner is killed
    deadline = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while how == "owner dies" and (tmp_path / "server").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
