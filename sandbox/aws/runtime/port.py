"""The `ContainerRuntime` port: how ECS runs the containers of a task; no engine here.

The runtime owns what really runs. ECS decides, asks, and observes; it never assumes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ContainerState(StrEnum):
    """Where one container stands."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class HealthStatus(StrEnum):
    """A container health check's verdict, in ECS's words."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A container definition's `healthCheck`; the interval is already time-scaled."""

    command: tuple[str, ...]
    """`("CMD", ...)` or `("CMD-SHELL", text)`."""
    interval_s: float = 30
    timeout_s: float = 5
    retries: int = 3
    start_period_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """One of a container definition's `ulimits`."""

    name: str
    """`nofile`, `nproc`, `core`, ... as the operating system calls it."""
    soft_limit: int
    hard_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container of a task, ready to run: secrets resolved, image named."""

    name: str
    image: str
    """The reference of the task definition."""
    image_digest: str = ""
    """Set when ECS resolved it; the runtime must run exactly this content."""
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = ""
    user: str = ""
    container_ports: tuple[int, ...] = ()
    cpu_units: int = 0
    memory_mib: int = 0
    """Hard limit; 0 where only the task has one."""
    memory_reservation_mib: int = 0
    """Soft limit."""
    read_only_root: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    init_process: bool = False
    """Run it below a small init that reaps children and passes signals on."""
    added_capabilities: tuple[str, ...] = ()
    dropped_capabilities: tuple[str, ...] = ()
    docker_labels: Mapping[str, str] = field(default_factory=dict)
    health_check: HealthCheck | None = None
    stop_timeout_s: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task to run. All containers share one address, as in `awsvpc` mode."""

    task_arn: str
    cluster: str
    family: str
    containers: tuple[ContainerSpec, ...]
    cpu_units: int = 0
    memory_mib: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerObservation:
    """What is true of one container now."""

    name: str
    runtime_id: str
    state: ContainerState
    exit_code: int | None = None
    reason: str = ""
    """For people: `OutOfMemoryError: ...` and the like; empty for a plain exit."""
    health: HealthStatus = HealthStatus.UNKNOWN
    image_digest: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskObservation:
    """What is true of one task's containers now."""

    task_arn: str
    address: str
    """The address that all its containers share on this machine."""
    ports: Mapping[int, int]
    """Container port to the port that really listens on `address` (usually the same)."""
    containers: tuple[ContainerObservation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a container's output with the time when it was written."""

    timestamp_ms: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Output from one offset on; `next_offset` continues without loss or repeats."""

    lines: tuple[LogLine, ...]
    next_offset: int


class ImagePullError(Exception):
    """The image cannot be had; the text is AWS's (`CannotPullContainerError: ...`)."""


class StartError(Exception):
    """The container cannot start; the text is AWS's (`CannotStartContainerError: ...`)."""


class ContainerRuntime(Protocol):
    """What runs tasks. Called from one loop thread; `observe` may come from others.

    Every method is safe to repeat after a crash at any point: the task's ARN is the
    claim, and what exists already is found, not made twice.
    """

    def pull(self, image: str, digest: str) -> str:
        """Make the image's content local; return its digest. May take long.

        Called off the loop thread, possibly concurrently, before `create_task`.

        Raises:
            ImagePullError: it does not exist or cannot be had.

        """

    def create_task(self, spec: TaskSpec) -> TaskObservation:
        """Give the task its address and make its containers, none started."""

    def start_container(self, task_arn: str, container_name: str) -> None:
        """Start one made container; a running one is left alone.

        Raises:
            StartError: the process cannot start.

        """

    def stop_container(self, task_arn: str, container_name: str, timeout_s: float) -> None:
        """Ask the container to end (SIGTERM, SIGKILL after `timeout_s`); returns at once."""

    def remove_task(self, task_arn: str) -> None:
        """Forget a task whose containers have stopped, and free its address."""

    def observe(self) -> tuple[TaskObservation, ...]:
        """Return every task that this runtime holds, found by label, not by memory."""

    def read_log(self, task_arn: str, container_name: str, offset_bytes: int) -> LogPage:
        """Return whole lines of stdout and stderr written since `offset_bytes`."""

    def close(self) -> None:
        """Release what this process holds; running containers go on."""
