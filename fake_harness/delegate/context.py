"""What a step works with: its package, workspace, log and command units."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from fake_harness.delegate.masking import Masker, substitute
from fake_harness.delegate.results import JsonObject, StepFailedError

ROLLBACK_FILE = "rollback.json"
CONTAINER_FILE = "container"
"""In a task's folder: its step may have containers; holds the name of their network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateFacts:
    """What a step may know of the delegate that runs it."""

    work_dir: Path
    image_builder: str
    time_scale: float
    environment: Mapping[str, str]
    """The delegate's own environment: endpoints, credentials, PATH, trust."""
    has_engine: bool = False
    """Steps that name an image run in it, on a container engine."""

    def wire(self) -> JsonObject:
        """Return it as the step's process is handed it."""
        return {
            "workDir": str(self.work_dir),
            "imageBuilder": self.image_builder,
            "timeScale": self.time_scale,
            "environment": dict(self.environment),
            "hasEngine": self.has_engine,
        }


def facts_from_wire(value: object) -> DelegateFacts:
    """Read what `DelegateFacts.wire` made."""
    facts = _mapping(value)
    environment = _mapping(facts["environment"])
    return DelegateFacts(
        work_dir=Path(str(facts["workDir"])),
        image_builder=str(facts["imageBuilder"]),
        time_scale=float(str(facts["timeScale"])),
        environment={name: str(text) for name, text in environment.items()},
        has_engine=bool(facts["hasEngine"]),
    )


class StepContext:
    """One task on its way. Log lines are masked before they touch the disk.

    Args:
        package: the task package as acquired (docs/architecture.md).
        task_dir: this task's folder; survives the death of the delegate.
        facts: of the delegate.
    """

    def __init__(self, package: JsonObject, task_dir: Path, facts: DelegateFacts) -> None:
        secrets = {str(k): str(v) for k, v in _mapping(package.get("secrets")).items()}
        self.mask = Masker(secrets.values())
        self.package = package
        self.params = substitute(_mapping(package.get("params")), secrets)
        self.connectors = substitute(_mapping(package.get("connectors")), secrets)
        self.step_env = {
            str(k): str(v) for k, v in substitute(_mapping(package.get("env")), secrets).items()
        }
        self.facts = facts
        self.task_dir = task_dir
        self._log = StepLog(task_dir, self.mask)
        self._units: list[dict[str, object]] = []
        self._is_detached = False
        self._begun = time.monotonic()
        self.rollback_data: JsonObject | None = None

    @property
    def workspace(self) -> Path:
        """The folder that the steps of a stage share (`/harness` on Harness)."""
        identifier = str(self.package.get("workspaceId") or self.package["taskId"])
        path = self.facts.work_dir / "workspaces" / identifier.replace("/", "_")
        path.mkdir(parents=True, exist_ok=True)
        return path

    def inside(self, text: str) -> Path:
        """Return a path of the workspace; `/harness/...` is meant as in Harness's containers.

        Raises:
            StepFailedError: the path leaves the workspace.
        """
        relative = text.removeprefix("/harness").lstrip("/") if text != "." else ""
        path = (self.workspace / relative).resolve()
        if not path.is_relative_to(self.workspace.resolve()):
            raise StepFailedError(f"Path [{text}] leaves the workspace.", "INVALID_REQUEST")
        return path

    @property
    def timeout_s(self) -> float:
        """How long the step may take; the engine enforces it too."""
        return float(str(self.package.get("timeoutSeconds") or 36000))

    @property
    def remaining_s(self) -> float:
        """How long the step may still wait; it is over a little before the engine's own limit.

        So a step that waits ends by itself, with its reason, before the engine ends it.
        """
        margin_s = min(5.0, self.timeout_s * 0.02)
        return self.timeout_s - margin_s - (time.monotonic() - self._begun)

    def keep_for_rollback(self, data: JsonObject) -> None:
        """Keep what the stage's rollback steps will need, whatever becomes of this step.

        Call it before the first change, and again when more is known; the last call counts.
        """
        self.rollback_data = data
        write_whole(self.task_dir / ROLLBACK_FILE, json.dumps(data))

    def log(self, line: str, *, level: str = "INFO") -> None:
        """Write one line to the step's log (or to the open command unit's)."""
        self._log.write(line, level)

    def with_last_line(self, message: str) -> str:
        """Return a failure's message with what the step said last, which is mostly the reason."""
        last = self._log.last_line
        return f"{message}: {last}" if last else message

    @contextmanager
    def unit(self, name: str) -> Iterator[None]:
        """Open a command unit: its own log section and progress entry."""
        entry: dict[str, object] = {
            "unitName": name,
            "status": "RUNNING",
            "startTime": int(time.time() * 1000),
            "endTime": 0,
        }
        self._units.append(entry)
        self._write_progress()
        self._log.unit = name
        status = "FAILURE"
        try:
            yield
            status = "SUCCESS"
        except StepFailedError as error:
            self.log(error.message, level="ERROR")
            raise
        finally:
            self._log.unit = ""
            entry.update(status=status, endTime=int(time.time() * 1000))
            self._write_progress()

    def detach(self) -> None:
        """Let the stage go on; the step is a success, and what it started ends with the stage."""
        self._is_detached = True
        self._write_progress()

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text parameter.

        Raises:
            StepFailedError: it is missing and has no default.
        """
        value = self.params.get(name)
        if value is None or value == "":
            if default is None:
                raise StepFailedError(f"Step parameter [{name}] is missing.", "INVALID_REQUEST")
            return default
        return str(value)

    def flag(self, name: str) -> bool:
        """Return a true/false parameter; absent means false."""
        return str(self.params.get(name, "")).lower() == "true"

    def strings(self, name: str) -> list[str]:
        """Return a list parameter as texts; absent means empty."""
        value = self.params.get(name)
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(item) for item in value] if isinstance(value, list) else []

    def mapping(self, name: str) -> JsonObject:
        """Return an object parameter; absent means empty."""
        return _mapping(self.params.get(name))

    def close(self) -> None:
        """Finish the log file."""
        self._log.close()

    def _write_progress(self) -> None:
        progress: dict[str, object] = {"unitProgresses": self._units}
        if self._is_detached:
            progress["detached"] = True
        write_whole(self.task_dir / "progress.json", json.dumps(progress))


class StepLog:
    """The step's lines on disk, NDJSON, each with the unit that it belongs to. Thread-safe."""

    def __init__(self, task_dir: Path, mask: Masker) -> None:
        self.unit = ""
        self.last_line = ""
        self._mask = mask
        self._pos: dict[str, int] = {}
        self._lock = threading.Lock()
        self._file: TextIO = (task_dir / "log.ndjson").open("a", encoding="utf-8")

    def write(self, line: str, level: str) -> None:
        """Append one line."""
        with self._lock:
            pos = self._pos.get(self.unit, 0)
            self._pos[self.unit] = pos + 1
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            row = {
                "level": level,
                "pos": pos,
                "out": self._mask(line.rstrip("\n")) + "\n",
                "time": f"{stamp}.{int(time.time() * 1000) % 1000:03d}Z",
            }
            self._file.write(json.dumps({"unit": self.unit, "row": row}) + "\n")
            self._file.flush()
            if line.strip():
                self.last_line = self._mask(line.strip())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


def write_whole(path: Path, text: str) -> None:
    """Write a file that readers see whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _mapping(value: object) -> JsonObject:
    return value if isinstance(value, Mapping) else {}
