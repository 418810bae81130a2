"""End or stop what runs for a node: delegate tasks, its approval, its child execution."""

from datetime import datetime

from sqlalchemy import Connection

from fake_harness.status import Status
from fake_harness.store import approvals, delegate_tasks, interrupts
from fake_harness.store.approvals import ApprovalStatus
from fake_harness.store.delegate_tasks import TaskStatus
from fake_harness.store.executions import list_children_of_node
from fake_harness.store.interrupts import InterruptType

_APPROVAL_ENDS = {
    Status.EXPIRED: ApprovalStatus.EXPIRED,
    Status.ABORTED: ApprovalStatus.ABORTED,
    Status.SUCCEEDED: ApprovalStatus.APPROVED,
}


def end_work(connection: Connection, node_id: str, status: Status, *, now: datetime) -> None:
    """Leave nothing running for a node that has ended. Safe to repeat.

    What a Background step started goes on, until its stage ends.
    """
    for task in delegate_tasks.list_tasks_of_node(connection, node_id):
        if not (status is Status.SUCCEEDED and task.progress.get("detached")):
            delegate_tasks.cancel(connection, task.id, now=now)
    ended = _APPROVAL_ENDS.get(status, ApprovalStatus.FAILED)
    approvals.close(connection, node_id, ended, now=now)
    _abort_children(connection, node_id, now)


def end_background(
    connection: Connection, plan_execution_id: str, stage_id: str, *, now: datetime
) -> None:
    """End what still runs for steps of a stage that has ended. Safe to repeat."""
    for task in delegate_tasks.list_unfinished_tasks(connection, plan_execution_id):
        if task.package.get("stageExecutionId") == stage_id:
            delegate_tasks.cancel(connection, task.id, now=now)


def discontinue_work(connection: Connection, node_id: str, *, now: datetime) -> None:
    """Ask what runs for a node to stop. Call it once, with the node's change of status."""
    for task in delegate_tasks.list_tasks_of_node(connection, node_id):
        if task.status is TaskStatus.QUEUED:
            delegate_tasks.cancel(connection, task.id, now=now)
        else:
            delegate_tasks.request_abort(connection, task.id, now=now)
    _abort_children(connection, node_id, now)


def _abort_children(connection: Connection, node_id: str, now: datetime) -> None:
    for child in list_children_of_node(connection, node_id):
        asked = {i.type for i in interrupts.list_interrupts(connection, child.id)}
        if not child.status.is_final and InterruptType.ABORT_ALL not in asked:
            interrupts.add(connection, child.id, InterruptType.ABORT_ALL, now=now)
