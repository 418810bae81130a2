"""Attach-or-run: a task's process is found by the task's id, never started twice.

Each task has a folder. Making the folder is the claim; the step runs in a detached process
that leaves `result.json`; so a delegate that was killed finds the step still running, or
done, and goes on from there.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fake_harness.delegate.context import ROLLBACK_FILE
from fake_harness.delegate.results import JsonObject, Outcome, StepResult

_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A task's folder and what it tells."""

    task_id: str
    folder: Path

    @property
    def log_file(self) -> Path:
        """The step's lines."""
        return self.folder / "log.ndjson"

    @property
    def result_file(self) -> Path:
        """Written whole, once, at the end."""
        return self.folder / "result.json"

    def result(self) -> JsonObject | None:
        """Return the result, or None while the step runs.

        A process that died without one ends as ERRORED: its step is never run again in
        silence, because its effects are unknown.
        """
        if self.result_file.exists():
            return _object(json.loads(self.result_file.read_text()))
        if is_alive(self.folder):
            return None
        if self.result_file.exists():  # written between the two looks
            return _object(json.loads(self.result_file.read_text()))
        lost = StepResult(
            status=Outcome.ERRORED,
            message="The step's process died without a result.",
            failure_types=("DELEGATE_RESTART",),
            rollback_data=_read(self.folder / ROLLBACK_FILE),
        )
        return lost.wire()

    def progress(self) -> JsonObject | None:
        """Return the command units so far."""
        return _read(self.folder / "progress.json")

    def stop(self) -> None:
        """Ask the step to end, and end it after a grace of 10 s."""
        _signal(self.folder, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while is_alive(self.folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal(self.folder, signal.SIGKILL)

    def forget(self) -> None:
        """Remove the folder; call it after the manager has the result."""
        shutil.rmtree(self.folder, ignore_errors=True)


def ensure(tasks_dir: Path, task_id: str, package: JsonObject) -> Attachment:
    """Return the task's attachment, starting its process when it never received its package."""
    folder = tasks_dir / task_id.replace("/", "_")
    attachment = Attachment(task_id=task_id, folder=folder)
    if (folder / "started").exists() or attachment.result_file.exists():
        return attachment
    if folder.exists() and is_alive(folder):
        return attachment
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _start(folder, package)
    return attachment


def is_alive(folder: Path) -> bool:
    """Tell whether the task's process lives; a reused pid is not mistaken for it."""
    identity = _identity(folder)
    return identity is not None and process_start(identity[0]) == identity[1]


def process_start(pid: int) -> str:
    """Return the kernel's start time of a process, or an empty text when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if not _exists(pid) else "alive"
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _start(folder: Path, package: JsonObject) -> None:
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "fake_harness.delegate.step_process", folder],
            stdin=subprocess.PIPE,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    (folder / "pid").write_text(f"{process.pid} {process_start(process.pid)}")
    # The package carries secrets: it goes through a pipe and never lies on the disk.
    assert process.stdin is not None  # noqa: S101  (PIPE was asked for)
    try:
        process.stdin.write(json.dumps(package).encode())
        process.stdin.close()
    except BrokenPipeError:
        return


def _identity(folder: Path) -> tuple[int, str] | None:
    try:
        pid, _, started = (folder / "pid").read_text().partition(" ")
        return int(pid), started
    except (OSError, ValueError):
        return None


def _signal(folder: Path, number: signal.Signals) -> None:
    identity = _identity(folder)
    if identity is None or not is_alive(folder):
        return
    try:
        os.killpg(identity[0], number)
    except ProcessLookupError:
        return


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _read(path: Path) -> JsonObject | None:
    try:
        return _object(json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
