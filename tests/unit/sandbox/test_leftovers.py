"""`sandbox down` ends steps, and nothing that only has the same process id."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.leftovers import end_steps


@pytest.fixture
def step() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def start_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def write_pid(delegate: Path, text: str) -> None:
    folder = delegate / "tasks" / "local" / "task1"
    folder.mkdir(parents=True)
    (folder / "pid").write_text(text)


def test_running_step_is_ended(tmp_path: Path, step: subprocess.Popen[bytes]) -> None:
    write_pid(tmp_path, f"{step.pid} {start_of(step.pid)}")
    end_steps(tmp_path)
    assert step.wait(timeout=30) < 0


@pytest.mark.parametrize("text", ["{pid} 1", "", "junk", "999999999 5"])
def test_other_process_is_left_alone(
    tmp_path: Path, step: subprocess.Popen[bytes], text: str
) -> None:
    write_pid(tmp_path, text.format(pid=step.pid))
    end_steps(tmp_path)
    os.kill(step.pid, 0)
    assert step.poll() is None


def test_steps_of_another_delegate_go_on(tmp_path: Path, step: subprocess.Popen[bytes]) -> None:
    write_pid(tmp_path, f"{step.pid} {start_of(step.pid)}")
    end_steps(tmp_path, "other")
    assert step.poll() is None
    end_steps(tmp_path, "local")
    assert step.wait(timeout=5) < 0
