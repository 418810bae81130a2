"""Carries containers' output to their log streams, from a stored offset; it schedules nothing.

The offset is stored after the lines. A crash in between repeats none, because the sink keeps
the offset with the lines and is asked for it once, for each container that ran before a start.
"""

import logging
import threading
from collections.abc import Sequence
from http import HTTPStatus

from sandbox.aws.ecs.containers import (
    ContainerDefinition,
    LogTarget,
    container_definitions,
    stream_name,
)
from sandbox.aws.ecs.records import LogCursor, Task
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.ports import LogEvent, LogSink
from sandbox.aws.runtime.port import ContainerRuntime, LogLine
from sandbox.errors import AwsError

INTERVAL_S = 0.25

log = logging.getLogger(__name__)


class LogPump:
    """One thread that reads each container's new output and puts it into its stream."""

    def __init__(self, state: EcsState, runtime: ContainerRuntime, sink: LogSink) -> None:
        self._state = state
        self._runtime = runtime
        self._sink = sink
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._unsure = {
            _key(task, c.name) for task in state.active_tasks() for c in task.containers
        }
        """Containers whose stored offset may be behind what the sink has."""
        self._thread = threading.Thread(target=self._run, name="ecs-logs", daemon=True)

    def start(self) -> None:
        """Start pumping."""
        self._thread.start()

    def stop(self) -> None:
        """Stop pumping; what was not read stays with the runtime."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def flush(self, task: Task) -> None:
        """Take all that a task has written, which has ended. Any thread."""
        while self._take(task):
            pass

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            for task in self._state.active_tasks():
                if all(c.last_status == "PENDING" for c in task.containers):
                    continue
                try:
                    self._take(task)
                except Exception:  # the top of a worker loop: one task must not stop the others
                    log.exception("log_pump_failed", extra={"task_arn": task.arn})

    def _take(self, task: Task) -> bool:
        """Take one page of each container; tell whether there may be more."""
        taken = [
            self._pass_on(task, definition, definition.log)
            for definition in self._definitions(task)
            if definition.log is not None
        ]
        return any(taken)

    def _definitions(self, task: Task) -> Sequence[ContainerDefinition]:
        definition = self._state.task_definitions.get(task.task_definition_arn)
        return () if definition is None else container_definitions(definition, task.overrides)

    def _pass_on(self, task: Task, definition: ContainerDefinition, target: LogTarget) -> bool:
        """Carry one page; tell whether there may be more."""
        key = _key(task, definition.name)
        container = next(c for c in task.containers if c.name == definition.name)
        stream = stream_name(target, definition.name, task.id, container.runtime_id)
        with self._lock:
            offset = self._offset(key, target, stream)
            page = self._runtime.read_log(task.arn, definition.name, offset)
            if page.next_offset == offset:
                return False
            lines, end = _events(page.lines), page.next_offset
            try:
                self._sink.put(target.region, target.group, stream, lines, cursor=end)
            except AwsError as error:
                if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    return False  # the lines stay with the runtime, and are read again
                # The awslogs driver drops what it cannot deliver; so does this.
                log.warning(
                    "log_events_dropped",
                    extra={"task_arn": task.arn, "group": target.group, "code": error.code},
                )
            self._state.cursors.put(key, LogCursor(offset_bytes=end))
        return bool(page.lines)

    def _offset(self, key: str, target: LogTarget, stream: str) -> int:
        """Return where the container's output is to be read on."""
        cursor = self._state.cursors.get(key)
        stored = 0 if cursor is None else cursor.offset_bytes
        if key not in self._unsure:
            return stored
        try:
            known = self._sink.offset(target.region, target.group, stream)
        except AwsError:
            return stored  # the put will say it
        self._unsure.discard(key)
        return max(stored, known)


def _key(task: Task, container_name: str) -> str:
    return f"{task.arn}/{container_name}"


def _events(lines: Sequence[LogLine]) -> list[LogEvent]:
    return [LogEvent(timestamp_ms=line.timestamp_ms, message=line.message) for line in lines]
