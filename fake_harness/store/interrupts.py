"""Interrupts: wishes of a person about a running execution; the engine handles them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select, update

from fake_harness.store.tables import interrupts


class InterruptType(StrEnum):
    """What may be asked. Source: harness-core PlanExecutionInterruptType."""

    ABORT_ALL = "AbortAll"
    ABORT = "Abort"
    PAUSE = "Pause"
    RESUME = "Resume"
    IGNORE = "Ignore"
    STAGE_ROLLBACK = "StageRollback"
    STEP_GROUP_ROLLBACK = "StepGroupRollback"
    MARK_AS_SUCCESS = "MarkAsSuccess"
    EXPIRE_ALL = "ExpireAll"
    RETRY = "Retry"
    MARK_AS_FAILURE = "MarkAsFailure"
    USER_MARKED_FAILURE = "UserMarkedFailure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """One wish. Without a node it means the whole execution."""

    seq: int
    id: str
    plan_execution_id: str
    node_execution_id: str | None
    type: InterruptType
    created_by: Mapping[str, str]
    created_at: datetime
    handled_at: datetime | None


def add(
    connection: Connection,
    plan_execution_id: str,
    kind: InterruptType,
    *,
    now: datetime,
    node_execution_id: str | None = None,
    created_by: Mapping[str, str] | None = None,
) -> Interrupt:
    """Store an interrupt; the engine sees it on its next tick."""
    row = connection.execute(
        interrupts.insert()
        .values(
            id=uuid.uuid4().hex,
            plan_execution_id=plan_execution_id,
            node_execution_id=node_execution_id,
            type=kind.value,
            created_by=dict(created_by or {}),
            created_at=now,
        )
        .returning(interrupts)
    )
    return _interrupt(row.mappings().one())


def list_interrupts(connection: Connection, plan_execution_id: str) -> tuple[Interrupt, ...]:
    """Return every interrupt of an execution, oldest first."""
    statement = (
        select(interrupts)
        .where(interrupts.c.plan_execution_id == plan_execution_id)
        .order_by(interrupts.c.seq)
    )
    return tuple(map(_interrupt, connection.execute(statement).mappings()))


def mark_handled(connection: Connection, interrupt_id: str, *, now: datetime) -> None:
    """Note that nothing remains to be done for an interrupt. Safe to repeat."""
    connection.execute(
        update(interrupts)
        .where(interrupts.c.id == interrupt_id, interrupts.c.handled_at.is_(None))
        .values(handled_at=now)
    )


def _interrupt(row: RowMapping) -> Interrupt:
    return Interrupt(**{**row, "type": InterruptType(row["type"])})
