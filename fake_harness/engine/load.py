"""Read the facts about one execution; the counterpart of `apply`."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from fake_harness.engine.index import PlanIndex
from fake_harness.engine.world import World
from fake_harness.store import approvals, delegate_tasks, delegates, executions, interrupts
from fake_harness.store.delegate_tasks import DelegateTask
from fake_harness.store.executions import PlanExecution
from fake_harness.store.node_executions import NodeExecution, list_nodes


def load_world(
    connection: Connection,
    execution: PlanExecution,
    index: PlanIndex,
    *,
    now: datetime,
    time_scale: float,
    engine_since: datetime,
    known: Mapping[str, NodeExecution],
) -> World:
    """Return what `decide` needs to know about `execution`; `known` saves reading again."""
    children = executions.list_children(connection, execution.id)
    return World(
        execution=execution,
        index=index,
        nodes=list_nodes(connection, execution.id, known=known),
        interrupts=interrupts.list_interrupts(connection, execution.id),
        tasks=_by_node(delegate_tasks.list_open_tasks(connection, execution.id)),
        approvals={
            approval.node_execution_id: approval
            for approval in approvals.list_approvals(connection, execution.id)
        },
        children={child.parent_node_execution_id or "": child for child in children},
        delegates=delegates.list_delegates(connection, execution.account),
        now=now,
        time_scale=time_scale,
        engine_since=engine_since,
    )


def _by_node(tasks: Iterable[DelegateTask]) -> dict[str, list[DelegateTask]]:
    found: dict[str, list[DelegateTask]] = {}
    for task in tasks:
        found.setdefault(task.node_execution_id, []).append(task)
    return found
