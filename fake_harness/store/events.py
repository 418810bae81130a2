"""The event log of executions: one row per status change, in commit order."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from fake_harness.status import Status
from fake_harness.store.tables import events


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEvent:
    """A status change. `node_execution_id` is None for the execution itself."""

    seq: int
    plan_execution_id: str
    node_execution_id: str | None
    status: Status
    cause: str
    at: datetime


def append(
    connection: Connection,
    plan_execution_id: str,
    status: Status,
    *,
    cause: str,
    now: datetime,
    node_execution_id: str | None = None,
) -> None:
    """Write an event; call it in the transaction of the change itself."""
    connection.execute(
        events.insert().values(
            plan_execution_id=plan_execution_id,
            node_execution_id=node_execution_id,
            status=status.value,
            cause=cause,
            at=now,
        )
    )


def since(
    connection: Connection, plan_execution_id: str | None, seq: int, *, limit: int = 500
) -> tuple[ExecutionEvent, ...]:
    """Return the events after `seq`, of one execution or (None) of all."""
    statement = select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
    if plan_execution_id is not None:
        statement = statement.where(events.c.plan_execution_id == plan_execution_id)
    rows = connection.execute(statement).mappings()
    return tuple(ExecutionEvent(**{**row, "status": Status(row["status"])}) for row in rows)


def last_seq(connection: Connection) -> int:
    """Return the newest sequence number, 0 when there is none."""
    newest = connection.execute(select(func.max(events.c.seq))).scalar()
    return newest or 0
