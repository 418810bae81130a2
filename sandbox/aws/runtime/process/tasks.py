"""The folders in which tasks live: their records, their containers' states; it decides nothing.

`<root>/tasks/<id>/task.json` appears with the whole folder in one rename, and
`containers/<name>/` is the shim's (see `shim.py`).
"""

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter

from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerState,
    HealthStatus,
    TaskObservation,
    TaskSpec,
)
from sandbox.aws.runtime.process.addresses import Endpoint
from sandbox.aws.runtime.process.shim import kill_group, process_identity, write_json
from sandbox.types import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task as it was created."""

    spec: TaskSpec
    endpoint: Endpoint
    digests: Mapping[str, str] = field(default_factory=dict)
    """Image digest by container name."""


_RECORD = TypeAdapter(TaskRecord)


class ContainerFolder:
    """One container's folder; every answer is read from disk and checked against /proc."""

    def __init__(self, path: Path, name: str, image_digest: str) -> None:
        self.path = path
        self.name = name
        self._image_digest = image_digest

    @property
    def is_claimed(self) -> bool:
        """Tell whether a shim ever took this container."""
        return (self.path / "shim.json").exists()

    @property
    def shim_pid(self) -> int:
        """Return the pid of the container's living shim, or 0."""
        return _living_pid(_read(self.path / "shim.json"))

    def status(self) -> JsonObject:
        """Return what the shim last said; empty before it said anything."""
        return _read(self.path / "status.json")

    def observe(self) -> ContainerObservation:
        """Return what is true of the container now."""
        status = self.status()
        if self._needs_shim(status) and not self.shim_pid:
            # The shim may have ended between the two reads, having said so.
            status = self.status()
            if self._needs_shim(status):
                status = self._bury(status)
        return ContainerObservation(
            name=self.name,
            runtime_id=self.path.parent.parent.name + "/" + self.name,
            state=_STATES.get(str(status.get("state")), ContainerState.CREATED),
            exit_code=cast("int | None", status.get("exit_code")),
            reason=str(status.get("reason") or ""),
            health=HealthStatus(str(status.get("health") or "UNKNOWN")),
            image_digest=self._image_digest,
            started_at=_time(status.get("started_at")),
            finished_at=_time(status.get("finished_at")),
        )

    def end_unstarted(self) -> None:
        """Note that a container which never started will not."""
        now = datetime.now(UTC).timestamp()
        write_json(str(self.path / "status.json"), {"state": "STOPPED", "finished_at": now})

    def kill(self) -> None:
        """Kill the shim and the program at once."""
        shim = self.shim_pid
        if shim:
            kill_group(shim, signal.SIGKILL)
        program = _living_pid(self.status())
        if program:
            kill_group(program, signal.SIGKILL)

    def _needs_shim(self, status: JsonObject) -> bool:
        """Tell whether a shim must be alive for this to be true."""
        return status.get("state") == "RUNNING" or (not status and self.is_claimed)

    def _bury(self, status: JsonObject) -> JsonObject:
        """End a container whose shim was killed: nobody can say how its program ends."""
        program = _living_pid(status)
        if program:
            kill_group(program, signal.SIGKILL)
        buried = {
            **status,
            "state": "STOPPED",
            "exit_code": 137,
            "reason": "The container's supervisor was killed or the host restarted",
            "finished_at": datetime.now(UTC).timestamp(),
        }
        write_json(str(self.path / "status.json"), buried)
        return buried


class TaskFolder:
    """One task's folder."""

    def __init__(self, path: Path, record: TaskRecord) -> None:
        self.path = path
        self.record = record

    def container(self, name: str) -> ContainerFolder:
        """Return the folder of one of the task's containers."""
        return ContainerFolder(
            self.path / "containers" / name, name, self.record.digests.get(name, "")
        )

    def containers(self) -> tuple[ContainerFolder, ...]:
        """Return all containers, as the task definition orders them."""
        return tuple(self.container(c.name) for c in self.record.spec.containers)

    def observe(self) -> TaskObservation:
        """Return what is true of the task now."""
        return TaskObservation(
            task_arn=self.record.spec.task_arn,
            address=self.record.endpoint.address,
            ports=self.record.endpoint.ports,
            containers=tuple(container.observe() for container in self.containers()),
        )


class TaskFolders:
    """All tasks of one root."""

    def __init__(self, root: Path) -> None:
        self._tasks = root / "tasks"
        self._scrap = root / "scrap"
        self._tasks.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._scrap, ignore_errors=True)
        self._scrap.mkdir()
        # A record never changes, so it is read once.
        self._records: dict[str, TaskRecord] = {}

    def find(self, task_arn: str) -> TaskFolder | None:
        """Return the task's folder, or None."""
        return self._open(self._tasks / folder_name(task_arn))

    def all(self) -> Iterator[TaskFolder]:
        """Return every task, in no order."""
        for path in self._tasks.iterdir():
            task = self._open(path)
            if task is not None:
                yield task

    def create(self, record: TaskRecord) -> TaskFolder:
        """Make the task's folder, whole at once."""
        name = folder_name(record.spec.task_arn)
        draft = self._scrap / name
        shutil.rmtree(draft, ignore_errors=True)
        for container in record.spec.containers:
            for part in ("home", "tmp"):
                (draft / "containers" / container.name / part).mkdir(parents=True)
        (draft / "task.json").write_bytes(_RECORD.dump_json(record))
        # Environments may hold secrets.
        draft.chmod(0o700)
        return TaskFolder(draft.rename(self._tasks / name), record)

    def remove(self, task: TaskFolder) -> None:
        """Delete the task's folder; it is gone at once, whatever becomes of its content."""
        self._records.pop(task.path.name, None)
        scrap = task.path.rename(self._scrap / f"{task.path.name}-{os.urandom(4).hex()}")
        shutil.rmtree(scrap, ignore_errors=True)

    def _open(self, path: Path) -> TaskFolder | None:
        if not path.exists():
            return None
        record = self._records.get(path.name)
        if record is None:
            record = _RECORD.validate_json((path / "task.json").read_bytes())
            self._records[path.name] = record
        return TaskFolder(path, record)


_STATES = {
    "RUNNING": ContainerState.RUNNING,
    "STOPPED": ContainerState.STOPPED,
    "FAILED": ContainerState.STOPPED,
}


def folder_name(task_arn: str) -> str:
    """Return a short name for people, made unique by the whole ARN."""
    unique = hashlib.sha256(task_arn.encode()).hexdigest()[:12]
    return f"{task_arn.rpartition('/')[2][:8]}-{unique}"


def _living_pid(document: JsonObject) -> int:
    """Return the pid of a process as it was noted, or 0 where it is gone or another's."""
    pid = cast("int", document.get("pid") or 0)
    return pid if pid and process_identity(pid) == document.get("identity") else 0


def _read(path: Path) -> JsonObject:
    try:
        return cast("JsonObject", json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}


def _time(value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, float) else None
