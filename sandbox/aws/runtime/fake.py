"""A container runtime that runs nothing: scripted, in memory, good for thousands of tasks.

It keeps the promises of `ContainerRuntime` (the same contract test proves it), so that the
scheduler can be tested and simulated. It starts no process and opens no port.
"""

import bisect
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerSpec,
    ContainerState,
    HealthStatus,
    ImagePullError,
    LogLine,
    LogPage,
    StartError,
    TaskObservation,
    TaskSpec,
)
from sandbox.clock import Now, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the containers of one image do in the fake."""

    stdout: tuple[str, ...] = ()
    """Lines written at start."""
    exit_code: int | None = None
    """Ends at once with this code; None runs until it is stopped."""
    ignores_sigterm: bool = False
    pull_error: str = ""
    start_error: str = ""
    health: HealthStatus = HealthStatus.HEALTHY
    """The verdict of a container that declares a health check."""


@dataclass(slots=True)
class _Log:
    lines: list[LogLine] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def append(self, line: LogLine) -> None:
        start = self.ends[-1] if self.ends else 0
        self.lines.append(line)
        self.ends.append(start + len(line.message.encode()) + 1)

    def page(self, offset_bytes: int) -> LogPage:
        first = bisect.bisect_right(self.ends, offset_bytes)
        end = self.ends[-1] if self.ends else 0
        return LogPage(lines=tuple(self.lines[first:]), next_offset=max(end, offset_bytes))


@dataclass(slots=True)
class FakeMachine:
    """The machine behind the fake: what it holds outlives a `FakeRuntime`, as processes do."""

    now: Now = utc_now
    programs: dict[str, Program] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    specs: dict[str, Mapping[str, ContainerSpec]] = field(default_factory=dict)
    tasks: dict[str, TaskObservation] = field(default_factory=dict)
    logs: dict[tuple[str, str], _Log] = field(default_factory=dict)
    kill_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    starts: list[tuple[str, str]] = field(default_factory=list)
    """Every (task ARN, container name) really started, in order: no double start hides here."""
    addresses: int = 0

    def program(self, image: str) -> Program:
        """Return the script of `image`; an unknown image just runs."""
        return self.programs.get(image, Program())

    def next_address(self) -> str:
        """Return an address that no other task has."""
        self.addresses += 1
        high, low = divmod(self.addresses, 254)
        return f"127.{64 + high // 256}.{high % 256}.{low + 1}"


class FakeRuntime:
    """`ContainerRuntime` over a `FakeMachine`; a new one adopts what the machine holds."""

    def __init__(self, machine: FakeMachine | None = None) -> None:
        self.machine = machine or FakeMachine()

    def pull(self, image: str, digest: str) -> str:
        """See the port. The digest of an unresolved image is that of its name."""
        error = self.machine.program(image).pull_error
        if error:
            raise ImagePullError(error)
        return digest or "sha256:" + hashlib.sha256(image.encode()).hexdigest()

    def create_task(self, spec: TaskSpec) -> TaskObservation:
        """See the port."""
        machine = self.machine
        with machine.lock:
            held = machine.tasks.get(spec.task_arn)
            if held is not None:
                return held
            ports = {port: port for c in spec.containers for port in c.container_ports}
            task = TaskObservation(
                task_arn=spec.task_arn,
                address=machine.next_address(),
                ports=ports,
                containers=tuple(_created(spec, c) for c in spec.containers),
            )
            machine.specs[spec.task_arn] = {c.name: c for c in spec.containers}
            machine.tasks[spec.task_arn] = task
            return task

    def start_container(self, task_arn: str, container_name: str) -> None:
        """See the port."""
        machine = self.machine
        with machine.lock:
            if self._container(task_arn, container_name).state is not ContainerState.CREATED:
                return
            spec = machine.specs[task_arn][container_name]
            program = machine.program(spec.image)
            if program.start_error:
                raise StartError(program.start_error)
            machine.starts.append((task_arn, container_name))
            health = program.health if spec.health_check else HealthStatus.UNKNOWN
            started = machine.now()
            self._change(
                task_arn,
                container_name,
                lambda c: replace(
                    c, state=ContainerState.RUNNING, health=health, started_at=started
                ),
            )
            self.write_log(task_arn, container_name, program.stdout)
            if program.exit_code is not None:
                self.exit_container(task_arn, container_name, program.exit_code)

    def stop_container(self, task_arn: str, container_name: str, timeout_s: float) -> None:
        """See the port. A program that ignores SIGTERM ends when its time is over."""
        machine = self.machine
        with machine.lock:
            if task_arn not in machine.tasks:
                return
            if self._container(task_arn, container_name).state is ContainerState.STOPPED:
                return
            spec = machine.specs[task_arn][container_name]
            if machine.program(spec.image).ignores_sigterm:
                deadline = machine.now() + timedelta(seconds=timeout_s)
                machine.kill_at.setdefault((task_arn, container_name), deadline)
            else:
                self.exit_container(task_arn, container_name, 143)

    def remove_task(self, task_arn: str) -> None:
        """See the port."""
        with self.machine.lock:
            self.machine.tasks.pop(task_arn, None)
            for name in self.machine.specs.pop(task_arn, {}):
                self.machine.logs.pop((task_arn, name), None)
                self.machine.kill_at.pop((task_arn, name), None)

    def observe(self) -> tuple[TaskObservation, ...]:
        """See the port."""
        machine = self.machine
        with machine.lock:
            now = machine.now()
            for key in [key for key, at in machine.kill_at.items() if at <= now]:
                self.exit_container(*key, 137)
            return tuple(machine.tasks.values())

    def read_log(self, task_arn: str, container_name: str, offset_bytes: int) -> LogPage:
        """See the port."""
        with self.machine.lock:
            log = self.machine.logs.get((task_arn, container_name))
            return log.page(offset_bytes) if log else LogPage(lines=(), next_offset=offset_bytes)

    def close(self) -> None:
        """See the port: the machine keeps its tasks."""

    def exit_container(self, task_arn: str, container_name: str, exit_code: int) -> None:
        """Let a container end by itself (test control)."""
        with self.machine.lock:
            self.machine.kill_at.pop((task_arn, container_name), None)
            finished = self.machine.now()
            self._change(
                task_arn,
                container_name,
                lambda c: replace(
                    c, state=ContainerState.STOPPED, exit_code=exit_code, finished_at=finished
                ),
            )

    def set_health(self, task_arn: str, container_name: str, health: HealthStatus) -> None:
        """Change the verdict of a container's health check (test control)."""
        with self.machine.lock:
            self._change(task_arn, container_name, lambda c: replace(c, health=health))

    def write_log(self, task_arn: str, container_name: str, lines: Sequence[str]) -> None:
        """Let a container write lines of output (test control)."""
        with self.machine.lock:
            log = self.machine.logs.setdefault((task_arn, container_name), _Log())
            at = int(self.machine.now().timestamp() * 1000)
            for line in lines:
                log.append(LogLine(timestamp_ms=at, message=line))

    def _container(self, task_arn: str, name: str) -> ContainerObservation:
        task = self.machine.tasks[task_arn]
        return next(c for c in task.containers if c.name == name)

    def _change(
        self,
        task_arn: str,
        name: str,
        change: Callable[[ContainerObservation], ContainerObservation],
    ) -> None:
        task = self.machine.tasks[task_arn]
        containers = tuple(change(c) if c.name == name else c for c in task.containers)
        self.machine.tasks[task_arn] = replace(task, containers=containers)


def _created(spec: TaskSpec, container: ContainerSpec) -> ContainerObservation:
    task_id = spec.task_arn.rpartition("/")[2]
    number = int(hashlib.sha256(container.name.encode()).hexdigest()[:8], 16)
    return ContainerObservation(
        name=container.name,
        runtime_id=f"{task_id}-{number % 10**10:010d}",
        state=ContainerState.CREATED,
        image_digest=container.image_digest,
    )
