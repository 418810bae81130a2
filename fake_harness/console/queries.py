"""Light reads for lists: stage statuses of many executions at once; it writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, func, or_, select

from fake_harness.console.tree import WAITING, live_status
from fake_harness.pipeline.plan import NodeKind, Plan, PlanNode
from fake_harness.status import Status
from fake_harness.store.executions import PlanExecution
from fake_harness.store.tables import node_executions, plan_executions


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDot:
    """One stage in a list's strip."""

    name: str
    status: Status
    id: str
    """The node execution's id; empty while it has not started."""


def stage_strips(
    connection: Connection, items: Sequence[PlanExecution]
) -> dict[str, tuple[StageDot, ...]]:
    """Return the stages of each execution in order, started or not."""
    column = node_executions.c
    waits = column.status.in_([status.value for status in WAITING])
    rows = connection.execute(
        select(
            column.id,
            column.plan_execution_id,
            column.plan_node_id,
            column.kind,
            column.status,
            column.name,
            column.fqn,
        )
        .where(
            column.plan_execution_id.in_([item.id for item in items]),
            or_(column.kind == NodeKind.STAGE.value, waits),
        )
        .order_by(column.instance, column.attempt)
    ).all()
    started: dict[tuple[str, str], list[StageDot]] = {}
    for row in rows:
        if row.kind != NodeKind.STAGE.value:
            continue
        inside = (
            Status(other.status)
            for other in rows
            if other.plan_execution_id == row.plan_execution_id
            and other.fqn.startswith(f"{row.fqn}.")
        )
        dot = StageDot(name=row.name, status=live_status(Status(row.status), inside), id=row.id)
        started.setdefault((row.plan_execution_id, row.plan_node_id), []).append(dot)
    return {
        item.id: tuple(
            dot
            for stage in plan_stages(item.plan_json)
            for dot in started.get((item.id, stage.id), [_idle(stage)])
        )
        for item in items
    }


def used_pipelines(connection: Connection, account: str) -> tuple[str, ...]:
    """Return the identifiers of pipelines that were ever run."""
    column = plan_executions.c
    statement = select(column.pipeline).where(column.account == account).distinct()
    return tuple(connection.execute(statement.order_by(column.pipeline)).scalars())


def count_active(connection: Connection, account: str, statuses: Sequence[Status]) -> int:
    """Return how many executions have one of the statuses."""
    column = plan_executions.c
    statement = select(func.count()).where(
        column.account == account, column.status.in_([status.value for status in statuses])
    )
    return connection.execute(statement).scalar_one()


@lru_cache(maxsize=128)
def parsed_plan(plan_json: str) -> Plan:
    """Return a stored plan; plans never change, so they are kept."""
    return Plan.from_json(plan_json)


def plan_stages(plan_json: str) -> tuple[PlanNode, ...]:
    """Return the stages of a plan in order."""
    root = parsed_plan(plan_json).root
    return tuple(node for node in root.walk() if node.kind is NodeKind.STAGE)


def _idle(stage: PlanNode) -> StageDot:
    return StageDot(name=stage.name, status=Status.NOT_STARTED, id="")
