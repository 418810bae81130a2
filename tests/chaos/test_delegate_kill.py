"""Kill -9 of the delegate at random moments: each step runs once, each log is whole."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from delegate_manager import Delegate, FakeManager
from patience import eventually

TASKS, KILLS, LINES = 12, 6, 40
LINES_A_KILL = TASKS * LINES // (KILLS + 1)
"""Kills are counted by what was logged, not by time, so that a fast machine sees as many."""


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    made = FakeManager()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def delegate(manager: FakeManager, tmp_path: Path) -> Iterator[Delegate]:
    folder = tmp_path / "delegate"
    folder.mkdir()
    made = Delegate(manager=manager, folder=folder)
    made.start()
    yield made
    made.stop()
    made.end_steps()


@pytest.mark.parametrize("seed", [1, 2])
def test_random_kills_lose_and_double_nothing(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    for number in range(TASKS):
        manager.script(
            f"t{number}",
            f"echo x >> {tmp_path}/ran-{number}\n"
            f"for i in $(seq 1 {LINES}); do echo line $i; sleep 0.0{chance.randint(1, 9)}; done",
        )
    for kills in range(KILLS):
        eventually(lambda: lines_of_all(manager) > kills * LINES_A_KILL, "more of the load")  # noqa: B023
        time.sleep(chance.uniform(0, 0.2))  # any moment of what the delegate does with them
        delegate.kill()
        delegate.start()
    for number in range(TASKS):
        task = f"t{number}"
        assert manager.result(task)["status"] == "SUCCEEDED", task
        assert (tmp_path / f"ran-{number}").read_text() == "x\n", task
        assert manager.lines(task) == [f"line {i}" for i in range(1, LINES + 1)], task


def lines_of_all(manager: FakeManager) -> int:
    return sum(len(manager.lines(f"t{number}")) for number in range(TASKS))
