"""Delegate tasks: offered by tags, acquired with a lease, completed once.

A row is written in the transaction that starts its node and is never deleted at pick-up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, and_, or_, select, update

from fake_harness.crypto import Cipher
from fake_harness.pipeline.plan import JsonObject
from fake_harness.status import FINAL
from fake_harness.store.delegates import Delegate
from fake_harness.store.markers import seal_outputs
from fake_harness.store.tables import delegate_tasks, node_executions
from fake_harness.store.upsert import upsert

LEASE_S = 60.0
"""How long a delegate may be silent before its task counts as lost."""

_ABORT_NOTICE = timedelta(minutes=10)


class TaskStatus(StrEnum):
    """A task's life."""

    QUEUED = "QUEUED"
    ACQUIRED = "ACQUIRED"
    COMPLETED = "COMPLETED"
    """The result is here; the engine concludes the node."""
    CANCELLED = "CANCELLED"
    """Ended by the engine: aborted, expired or lost. A late result does not reach the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to offer. `package` is handed to the delegate; see docs/architecture.md."""

    id: str
    account: str
    plan_execution_id: str
    node_execution_id: str
    type: str
    package: JsonObject
    selectors: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateTask:
    """One task. `package` holds no secret values: `markers.with_secrets` adds them on handout."""

    id: str
    account: str
    plan_execution_id: str
    node_execution_id: str
    type: str
    package: JsonObject
    selectors: Sequence[str]
    status: TaskStatus
    delegate_id: str | None
    created_at: datetime
    acquired_at: datetime | None
    lease_until: datetime | None
    abort_requested_at: datetime | None
    ended_at: datetime | None
    progress: JsonObject
    """`{"unitProgresses": [{unitName, status, startTime, endTime}]}`"""
    result: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a delegate is told: take this task, or stop it."""

    task_id: str
    abort: bool


def is_eligible(delegate: Delegate, task_type: str, selectors: Iterable[str]) -> bool:
    """True when the delegate has every selector as a tag (or as its name) and the type.

    Source: "Select delegates with selectors"; a delegate's name counts as one of its tags.
    """
    tags = {tag.lower() for tag in (*delegate.tags, delegate.name)}
    types = delegate.supported_task_types
    return (not types or task_type in types) and all(s.lower() in tags for s in selectors)


def insert_task(connection: Connection, task: NewTask, *, now: datetime) -> bool:
    """Offer a task; False when it is there already."""
    added = connection.execute(
        upsert(connection, delegate_tasks)
        .values(
            id=task.id,
            account=task.account,
            plan_execution_id=task.plan_execution_id,
            node_execution_id=task.node_execution_id,
            type=task.type,
            package=dict(task.package),
            selectors=list(task.selectors),
            status=TaskStatus.QUEUED.value,
            created_at=now,
            progress={},
        )
        .on_conflict_do_nothing()
    )
    return bool(added.rowcount)


def offers(connection: Connection, delegate: Delegate, *, now: datetime) -> tuple[Offer, ...]:
    """Return what this delegate should take up or stop now.

    Tasks that are queued and that it is eligible for; tasks that it acquired in an earlier
    life and has not acquired again since it registered; aborts of tasks that it runs, until
    it has reported their end.
    """
    column = delegate_tasks.c
    unreported = and_(
        column.status == TaskStatus.CANCELLED.value,
        column.delegate_id == delegate.id,
        column.result.is_(None),
        column.ended_at > now - _ABORT_NOTICE,
    )
    open_ones = column.status.in_([TaskStatus.QUEUED.value, TaskStatus.ACQUIRED.value])
    statement = (
        select(delegate_tasks)
        .where(column.account == delegate.account, or_(open_ones, unreported))
        .order_by(column.created_at)
    )
    found: list[Offer] = []
    for row in connection.execute(statement).mappings():
        task = _task(row)
        if task.status is TaskStatus.QUEUED:
            if is_eligible(delegate, task.type, task.selectors):
                found.append(Offer(task_id=task.id, abort=False))
        elif task.status is TaskStatus.CANCELLED:
            found.append(Offer(task_id=task.id, abort=True))
        elif task.delegate_id == delegate.id:
            if task.acquired_at is not None and task.acquired_at < delegate.registered_at:
                found.append(Offer(task_id=task.id, abort=False))
            if task.abort_requested_at is not None:
                found.append(Offer(task_id=task.id, abort=True))
    return tuple(found)


def acquire(
    connection: Connection, task_id: str, delegate: Delegate, *, now: datetime
) -> DelegateTask | None:
    """Claim a task and return it; None when another delegate has it or it is over.

    Acquiring a task of one's own again is allowed: a restarted delegate attaches to it.
    """
    column = delegate_tasks.c
    lease = now + timedelta(seconds=LEASE_S)
    task = get_task(connection, task_id)
    if task is None or task.account != delegate.account:
        return None
    mine = task.status is TaskStatus.ACQUIRED and task.delegate_id == delegate.id
    free = task.status is TaskStatus.QUEUED and is_eligible(delegate, task.type, task.selectors)
    if not mine and not free:
        return None
    changed = connection.execute(
        update(delegate_tasks)
        .where(column.id == task_id, column.status == task.status.value)
        .values(
            status=TaskStatus.ACQUIRED.value,
            delegate_id=delegate.id,
            acquired_at=now,
            lease_until=lease,
        )
    )
    return get_task(connection, task_id) if changed.rowcount else None


def renew_leases(connection: Connection, delegate_id: str, *, now: datetime) -> int:
    """Extend the leases of all tasks that a delegate runs."""
    statement = (
        update(delegate_tasks)
        .where(
            delegate_tasks.c.delegate_id == delegate_id,
            delegate_tasks.c.status == TaskStatus.ACQUIRED.value,
        )
        .values(lease_until=now + timedelta(seconds=LEASE_S))
    )
    return connection.execute(statement).rowcount


def set_progress(
    connection: Connection, task_id: str, delegate_id: str, progress: JsonObject, *, now: datetime
) -> bool:
    """Keep the unit progresses of a running task and renew its lease."""
    statement = (
        update(delegate_tasks)
        .where(
            delegate_tasks.c.id == task_id,
            delegate_tasks.c.delegate_id == delegate_id,
            delegate_tasks.c.status == TaskStatus.ACQUIRED.value,
        )
        .values(progress=dict(progress), lease_until=now + timedelta(seconds=LEASE_S))
    )
    return bool(connection.execute(statement).rowcount)


def complete(
    connection: Connection,
    task_id: str,
    delegate_id: str,
    result: JsonObject,
    *,
    now: datetime,
    cipher: Cipher,
) -> bool:
    """Store the result of a task, once; its secret outputs are sealed (`markers.py`).

    Returns True when it is stored, now or by an earlier call; False when the task is not
    this delegate's. The result of a cancelled task is kept as the end of its abort only.
    """
    column = delegate_tasks.c
    mine = (column.id == task_id, column.delegate_id == delegate_id)
    connection.execute(
        update(delegate_tasks)
        .where(*mine, column.status == TaskStatus.ACQUIRED.value)
        .values(status=TaskStatus.COMPLETED.value, ended_at=now)
    )
    connection.execute(
        update(delegate_tasks)
        .where(*mine, column.status != TaskStatus.QUEUED.value, column.result.is_(None))
        .values(result=seal_outputs(connection, task_id, result, cipher=cipher))
    )
    task = get_task(connection, task_id)
    return task is not None and task.delegate_id == delegate_id and task.result is not None


def request_abort(connection: Connection, task_id: str, *, now: datetime) -> None:
    """Ask the delegate to stop a task. Safe to repeat; the first moment is kept."""
    connection.execute(
        update(delegate_tasks)
        .where(
            delegate_tasks.c.id == task_id,
            delegate_tasks.c.abort_requested_at.is_(None),
            delegate_tasks.c.status.in_([TaskStatus.QUEUED.value, TaskStatus.ACQUIRED.value]),
        )
        .values(abort_requested_at=now)
    )


def cancel(connection: Connection, task_id: str, *, now: datetime) -> bool:
    """End a task from the engine's side; later results are refused. Safe to repeat."""
    changed = connection.execute(
        update(delegate_tasks)
        .where(
            delegate_tasks.c.id == task_id,
            delegate_tasks.c.status.in_([TaskStatus.QUEUED.value, TaskStatus.ACQUIRED.value]),
        )
        .values(status=TaskStatus.CANCELLED.value, ended_at=now)
    )
    return bool(changed.rowcount)


def get_task(connection: Connection, task_id: str) -> DelegateTask | None:
    """Return one task, or None."""
    statement = select(delegate_tasks).where(delegate_tasks.c.id == task_id)
    row = connection.execute(statement).mappings().first()
    return None if row is None else _task(row)


def list_tasks(connection: Connection, plan_execution_id: str) -> tuple[DelegateTask, ...]:
    """Return the tasks of an execution, oldest first."""
    statement = (
        select(delegate_tasks)
        .where(delegate_tasks.c.plan_execution_id == plan_execution_id)
        .order_by(delegate_tasks.c.created_at, delegate_tasks.c.id)
    )
    return tuple(map(_task, connection.execute(statement).mappings()))


def list_open_tasks(connection: Connection, plan_execution_id: str) -> tuple[DelegateTask, ...]:
    """Return the tasks, ended or not, of the nodes that are not final; oldest first."""
    final = [status.value for status in FINAL]
    open_nodes = select(node_executions.c.id).where(
        node_executions.c.plan_execution_id == plan_execution_id,
        node_executions.c.status.not_in(final),
    )
    statement = (
        select(delegate_tasks)
        .where(
            delegate_tasks.c.plan_execution_id == plan_execution_id,
            delegate_tasks.c.node_execution_id.in_(open_nodes),
        )
        .order_by(delegate_tasks.c.created_at, delegate_tasks.c.id)
    )
    return tuple(map(_task, connection.execute(statement).mappings()))


def list_unfinished_tasks(
    connection: Connection, plan_execution_id: str
) -> tuple[DelegateTask, ...]:
    """Return the tasks of an execution that are offered or run, whatever their nodes are."""
    statement = select(delegate_tasks).where(
        delegate_tasks.c.plan_execution_id == plan_execution_id,
        delegate_tasks.c.status.in_([TaskStatus.QUEUED.value, TaskStatus.ACQUIRED.value]),
    )
    return tuple(map(_task, connection.execute(statement).mappings()))


def list_tasks_of_node(connection: Connection, node_execution_id: str) -> tuple[DelegateTask, ...]:
    """Return the tasks of one node execution."""
    statement = select(delegate_tasks).where(
        delegate_tasks.c.node_execution_id == node_execution_id
    )
    return tuple(map(_task, connection.execute(statement).mappings()))


def list_running(connection: Connection, delegate_id: str) -> tuple[DelegateTask, ...]:
    """Return the tasks that a delegate has acquired and not ended."""
    statement = select(delegate_tasks).where(
        delegate_tasks.c.delegate_id == delegate_id,
        delegate_tasks.c.status == TaskStatus.ACQUIRED.value,
    )
    return tuple(map(_task, connection.execute(statement).mappings()))


def _task(row: RowMapping | Mapping[str, object]) -> DelegateTask:
    return DelegateTask(**{**row, "status": TaskStatus(row["status"])})  # type: ignore[arg-type]
