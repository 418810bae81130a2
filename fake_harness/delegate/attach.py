"""Attach-or-run: a task's process is found by the task's id, never started twice.

Each task has a folder. Making the folder is the claim; the step runs in a detached process
that leaves `result.json`; so a delegate that was killed finds the step still running, or
done, and goes on from there. It talks to no manager.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fake_harness.delegate.context import CONTAINER_FILE, ROLLBACK_FILE, write_whole
from fake_harness.delegate.results import JsonObject, Outcome, StepResult
from fake_harness.settings import host_environment

_GRACE_S = 10.0
_LOOK_S = 0.02


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

    @property
    def log_base_key(self) -> str:
        """Under which the step's lines are stored."""
        claim = read_object(self.folder / "claim.json") or {}
        return str(claim.get("logBaseKey") or self.task_id)

    def result(self) -> JsonObject | None:
        """Return the result, or None while the step runs.

        A process that died without one ends as ERRORED: its step is never run again in
        silence, because its effects are unknown. One that was stopped ends as ABORTED.
        """
        found = read_object(self.result_file)
        if found is not None:
            return found
        if is_alive(self.folder):
            return None
        # Once more: it may have been written between the two looks.
        found = read_object(self.result_file)
        if found is None:
            self._clear_containers()
        return found or self._lost().wire()

    def progress(self) -> JsonObject | None:
        """Return the command units so far, and what a rollback will need."""
        units = read_object(self.folder / "progress.json")
        rollback = read_object(self.folder / ROLLBACK_FILE)
        return units if rollback is None else {**(units or {}), "rollbackData": rollback}

    def stop(self) -> None:
        """Ask the step to end, end it after a grace of 10 s, and all that it started with it."""
        if self.folder.exists():
            (self.folder / "stopped").touch()
        _signal(self.folder, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while is_alive(self.folder) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        _signal(self.folder, signal.SIGKILL)
        while is_alive(self.folder):
            time.sleep(_LOOK_S)
        if self.folder.exists() and not self.result_file.exists():
            self._clear_containers()

    def forget(self) -> None:
        """Remove the folder; call it after the manager has the result."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clear_containers(self) -> None:
        """Remove the containers of a process that had no time to do it itself."""
        try:
            network = (self.folder / CONTAINER_FILE).read_text()
        except FileNotFoundError:
            return
        from fake_harness.delegate.containers.engine import clear

        clear(host_environment(), self.task_id, network)

    def _lost(self) -> StepResult:
        rollback = read_object(self.folder / ROLLBACK_FILE)
        if not self.folder.exists() or (self.folder / "stopped").exists():
            message = "The step was aborted."
            return StepResult(status=Outcome.ABORTED, message=message, rollback_data=rollback)
        return StepResult(
            status=Outcome.ERRORED,
            message="The step's process died without a result.",
            failure_types=("DELEGATE_RESTART",),
            rollback_data=rollback,
        )


def attachment_of(tasks_dir: Path, task_id: str) -> Attachment:
    """Return the attachment of a task, begun or not."""
    return Attachment(task_id=task_id, folder=tasks_dir / task_id.replace("/", "_"))


def left_behind(tasks_dir: Path) -> Iterator[Attachment]:
    """Yield the tasks that an earlier life of the delegate began and did not report."""
    for folder in sorted(path for path in tasks_dir.iterdir() if path.is_dir()):
        claim = read_object(folder / "claim.json")
        if claim is not None and _was_handed_over(folder):
            yield Attachment(task_id=str(claim["taskId"]), folder=folder)


def ensure(tasks_dir: Path, task_id: str, handover: JsonObject) -> Attachment:
    """Return the task's attachment, starting its process when it never got its package.

    Args:
        tasks_dir: of this delegate.
        task_id: of the task.
        handover: `{package, facts}` for the step's process.
    """
    attachment = attachment_of(tasks_dir, task_id)
    folder = attachment.folder
    if _was_handed_over(folder):
        return attachment
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    package = handover["package"]
    key = package.get("logBaseKey") if isinstance(package, dict) else None
    write_whole(folder / "claim.json", json.dumps({"taskId": task_id, "logBaseKey": key}))
    _start(folder, handover)
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


def read_object(path: Path) -> JsonObject | None:
    """Return the JSON object in a file; None when there is no such file."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return value if isinstance(value, dict) else None


def _was_handed_over(folder: Path) -> bool:
    """True when a process has the task's package: it must not get it again.

    A process that lives without it was left by a delegate that died before it wrote the
    package; it ends by itself at the end of its input.
    """
    while not (folder / "started").exists() and is_alive(folder):
        time.sleep(_LOOK_S)
    return (folder / "started").exists()


def _start(folder: Path, handover: JsonObject) -> None:
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "fake_harness.delegate.step_process", folder],
            stdin=subprocess.PIPE,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    write_whole(folder / "pid", f"{process.pid} {process_start(process.pid)}")
    # The package carries secrets: it goes through a pipe and never lies on the disk.
    assert process.stdin is not None  # noqa: S101  (PIPE was asked for)
    try:
        process.stdin.write(json.dumps(handover).encode())
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
    """Signal all that the step started, even after its own process is gone."""
    identity = _identity(folder)
    if identity is None or process_start(identity[0]) not in {"", identity[1]}:
        return  # the pid belongs to another process by now
    try:
        os.killpg(identity[0], number)
    except (ProcessLookupError, PermissionError):
        return


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
