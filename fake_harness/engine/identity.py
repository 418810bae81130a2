"""Retry of a failed execution: stages that need not run again are copied, not run.

Source: harness-core IdentityPlanNode; logs stay under the keys of the first execution.
"""

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection

from fake_harness.engine.run import Run
from fake_harness.pipeline.plan import NodeKind, PlanNode
from fake_harness.store.node_executions import (
    NodeExecution,
    insert_node,
    latest_attempts,
    list_nodes,
    node_execution_id,
)


def copy_kept_stages(connection: Connection, run: Run) -> None:
    """Store the stages before the retried ones as they ended in the original execution."""
    original_id = run.execution.retry_of
    if original_id is None:
        return
    kept = {node.id for stage in _kept_stages(run) for node in stage.walk()}
    originals = {row.id: row for row in list_nodes(connection, original_id)}
    for row in latest_attempts(originals.values()):
        if row.plan_node_id in kept and row.status.is_final:
            insert_node(
                connection,
                _copy(row, originals, run),
                cause=f"kept from execution {original_id}",
                now=run.now,
            )


def _kept_stages(run: Run) -> Iterator[PlanNode]:
    """Yield what stands before the first retried stage, and its parallel siblings."""
    again = set(run.execution.retry_stages)
    for child in run.index.plan.root.children:
        stages = [node for node in child.walk() if node.kind is NodeKind.STAGE]
        if not any(stage.identifier in again for stage in stages):
            yield child
            continue
        yield from (stage for stage in stages if stage.identifier not in again)
        return


def _copy(row: NodeExecution, originals: dict[str, NodeExecution], run: Run) -> NodeExecution:
    parent = originals.get(row.parent_id or "")
    return replace(
        row,
        id=_new_id(run, row),
        plan_execution_id=run.execution.id,
        parent_id=None if parent is None else _new_id(run, parent),
    )


def _new_id(run: Run, row: NodeExecution) -> str:
    return node_execution_id(run.execution.id, row.plan_node_id, row.instance, row.attempt)
