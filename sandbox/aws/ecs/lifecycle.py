"""The next steps of one task's life: record and observation in, operations out; pure.

Source: ECS developer guide, "Amazon ECS task lifecycle" and "Container dependency".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sandbox.aws.ecs.containers import ContainerDefinition
from sandbox.aws.ecs.health import TargetHealths
from sandbox.aws.ecs.records import Container, Task, TaskTarget


class Act(StrEnum):
    """What to do for a task."""

    PROVISION = "PROVISION"
    """Create its network interface."""
    PREPARE = "PREPARE"
    """Resolve images and secrets, pull; off the loop."""
    CREATE = "CREATE"
    """Have the runtime make its containers."""
    START = "START"
    """Start one container."""
    REPORT_RUNNING = "REPORT_RUNNING"
    REGISTER = "REGISTER"
    """Register one target."""
    END = "END"
    """Note that it has to end: `code` and `reason`."""
    DEREGISTER = "DEREGISTER"
    """Start draining one target."""
    REPORT_STOPPING = "REPORT_STOPPING"
    STOP = "STOP"
    """Ask one container to end."""
    REPORT_DEPROVISIONING = "REPORT_DEPROVISIONING"
    RELEASE = "RELEASE"
    """Take the last of its output, then give back containers, address and interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOperation:
    """One step for one task, and why."""

    act: Act
    task_arn: str
    cause: str
    container_name: str = ""
    target: TaskTarget | None = None
    timeout_s: float = 0
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """What is known of a task besides its record."""

    is_held: bool
    """The runtime holds its containers."""
    is_prepared: bool
    """Images and secrets are at hand."""
    is_preparing: bool
    targets: TargetHealths


def advance(
    task: Task, definitions: Sequence[ContainerDefinition], view: TaskView, *, now: datetime
) -> tuple[TaskOperation, ...]:
    """Return the steps that are due; the observation is already in the record."""
    if not task.is_wanted:
        return _wind_down(task, definitions, view)
    ended = _ended(task, view)
    if ended is not None:
        return (ended,)
    if task.last_status == "PROVISIONING":
        return (_step(task, Act.PROVISION, "the task is new"),)
    if task.last_status in {"PENDING", "ACTIVATING"}:
        return _start(task, definitions, view, now=now)
    return tuple(
        _step(task, Act.REGISTER, "the task is RUNNING", target=target)
        for target in task.targets
        if not target.registered and target.target_group_arn in view.targets
    )


def _ended(task: Task, view: TaskView) -> TaskOperation | None:
    """Return the end of a task whose essential container is over or which is lost."""
    if task.last_status == "RUNNING" and not view.is_held:
        return _step(task, Act.END, "the runtime no longer holds it", code="Vanished")
    if any(c.essential and c.last_status == "STOPPED" for c in task.containers):
        return _step(task, Act.END, "an essential container ended", code="EssentialContainerExited")
    return None


def _start(
    task: Task,
    definitions: Sequence[ContainerDefinition],
    view: TaskView,
    *,
    now: datetime,
) -> tuple[TaskOperation, ...]:
    if not view.is_held:
        if view.is_prepared:
            return (_step(task, Act.CREATE, "images and secrets are here"),)
        if view.is_preparing:
            return ()
        return (_step(task, Act.PREPARE, "images and secrets are not here yet"),)
    by_name = {c.name: c for c in task.containers}
    if all(c.last_status in {"RUNNING", "STOPPED"} for c in task.containers):
        return (_step(task, Act.REPORT_RUNNING, "all containers have started"),)
    steps: list[TaskOperation] = []
    for definition in definitions:
        if by_name[definition.name].last_status != "PENDING":
            continue
        failure = _failed_dependency(definition, definitions, by_name, now=now)
        if failure:
            return (_step(task, Act.END, failure, code="TaskFailedToStart", reason=failure),)
        if all(_is_met(by_name[name], condition) for name, condition in definition.depends_on):
            steps.append(
                _step(task, Act.START, "its dependencies are met", container_name=definition.name)
            )
    return tuple(steps)


def _is_met(container: Container, condition: str) -> bool:
    if condition == "START":
        return container.last_status in {"RUNNING", "STOPPED"}
    if condition == "COMPLETE":
        return container.last_status == "STOPPED"
    if condition == "SUCCESS":
        return container.last_status == "STOPPED" and container.exit_code == 0
    return container.health_status == "HEALTHY"


def _failed_dependency(
    definition: ContainerDefinition,
    definitions: Sequence[ContainerDefinition],
    by_name: dict[str, Container],
    *,
    now: datetime,
) -> str:
    """Return why a dependency can no longer be met, or nothing. Unverified: the wording."""
    start_timeouts = {d.name: d.start_timeout_s for d in definitions}
    for name, condition in definition.depends_on:
        other = by_name[name]
        if _is_met(other, condition):
            continue
        never = (other.last_status == "STOPPED" and condition in {"SUCCESS", "HEALTHY"}) or (
            condition == "HEALTHY" and other.health_status == "UNHEALTHY"
        )
        limit = start_timeouts[name]
        late = (
            limit is not None
            and other.started_at is not None
            and now >= other.started_at + timedelta(seconds=limit)
        )
        if never or late:
            return (
                f"Container dependency not met: container {definition.name} needs {name} to "
                f"reach {condition}" + ("" if never else f" within {limit} seconds")
            )
    return ""


def _wind_down(
    task: Task, definitions: Sequence[ContainerDefinition], view: TaskView
) -> tuple[TaskOperation, ...]:
    registered = [t for t in task.targets if t.registered]
    if registered:
        cause = f"the task ends: {task.stop_code}"
        return tuple(_step(task, Act.DEREGISTER, cause, target=t) for t in registered)
    if task.last_status == "DEACTIVATING" and _is_draining(task, view):
        return ()
    if task.last_status not in {"STOPPING", "DEPROVISIONING"}:
        return (_step(task, Act.REPORT_STOPPING, "nothing drains"),)
    if task.last_status == "DEPROVISIONING":
        return (_step(task, Act.RELEASE, "all containers have ended"),)
    alive = [c for c in task.containers if c.last_status == "RUNNING"] if view.is_held else []
    if not alive:
        return (_step(task, Act.REPORT_DEPROVISIONING, "no container runs"),)
    return _stops(task, definitions, {c.name for c in alive})


def _is_draining(task: Task, view: TaskView) -> bool:
    """Tell whether a target still drains; a task whose work is over does not wait for it."""
    if task.interface is None or any(
        c.essential and c.last_status == "STOPPED" for c in task.containers
    ):
        return False
    address = task.interface.private_ipv4_address
    return any(
        (address, target.container_port) in view.targets.get(target.target_group_arn, {})
        for target in task.targets
    )


def _stops(
    task: Task, definitions: Sequence[ContainerDefinition], alive: set[str]
) -> tuple[TaskOperation, ...]:
    """Stop in the reverse order of dependencies."""
    needed = {
        name for d in definitions if d.name in alive for name, _ in d.depends_on if name in alive
    }
    return tuple(
        TaskOperation(
            act=Act.STOP,
            task_arn=task.arn,
            cause=f"the task ends: {task.stop_code}",
            container_name=d.name,
            timeout_s=d.stop_timeout_s,
        )
        for d in definitions
        if d.name in alive and d.name not in needed
    )


def _step(
    task: Task,
    act: Act,
    cause: str,
    *,
    container_name: str = "",
    target: TaskTarget | None = None,
    code: str = "",
    reason: str = "",
) -> TaskOperation:
    return TaskOperation(
        act=act,
        task_arn=task.arn,
        cause=cause,
        container_name=container_name,
        target=target,
        code=code,
        reason=reason,
    )
