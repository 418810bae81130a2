"""Kill -9 of the delegate at random moments: each step runs once, each log is whole."""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
from delegate_manager import Delegate, FakeManager

TASKS, KILLS, LINES = 12, 6, 40


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
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 3))
        delegate.kill()
        delegate.start()
    for number in range(TASKS):
        task = f"t{number}"
        assert manager.result(task, timeout_s=120)["status"] == "SUCCEEDED", task
        assert (tmp_path / f"ran-{number}").read_text() == "x\n", task
        assert manager.lines(task) == [f"line {i}" for i in range(1, LINES + 1)], task
