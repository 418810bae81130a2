"""What is known about the end of a leaf: result, time limit, lost delegate, approval; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fake_harness.engine.world import View
from fake_harness.pipeline.plan import JsonObject
from fake_harness.status import Status
from fake_harness.store.approvals import Approval, ApprovalStatus
from fake_harness.store.delegate_tasks import DelegateTask, TaskStatus, is_eligible
from fake_harness.store.executions import PlanExecution
from fake_harness.store.node_executions import NodeExecution

NO_DELEGATE = "There are no eligible delegates available in the account to execute the task"
NO_DELEGATE_AFTER_S = 60.0
"""How long a task waits for a delegate; divided by the time scale."""
LOST_AFTER_S = 30.0
"""How long after the end of its lease a task counts as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of a leaf, before failure strategies."""

    status: Status
    failure: JsonObject | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    """Columns of the node execution to set with the status."""
    cause: str = ""

    @property
    def failure_types(self) -> tuple[str, ...]:
        """The failure's types, `TIMEOUT_FAILURE` or `Timeout`."""
        types = (self.failure or {}).get("failureTypes")
        return tuple(map(str, types)) if isinstance(types, Sequence) else ()


def failure_of(message: str, *types: str) -> JsonObject:
    """Build a failure as node executions keep it."""
    return {"message": message, "failureTypes": list(types)}


def report_of(view: View, row: NodeExecution) -> Report | None:
    """Return how an active leaf ended by itself, or None while it goes on."""
    tasks = view.world.tasks.get(row.id, ())
    child = view.world.children.get(row.id)
    approval = view.world.approvals.get(row.id)
    found = None
    if row.status is Status.RUNNING and row.failure is not None:
        found = Report(status=Status.FAILED, failure=row.failure, cause="could not start")
    elif tasks:
        found = _of_tasks(view, row, tasks)
    elif child is not None:
        found = _of_child(child)
    elif approval is not None:
        found = _of_approval(view, approval)
    elif row.status is Status.WAIT_STEP_RUNNING and _is_over(view, row):
        found = Report(status=Status.SUCCEEDED, cause="wait is over")
    return found


def is_working(view: View, row: NodeExecution) -> bool:
    """True while a delegate or a child execution is at work for a leaf."""
    tasks = view.world.tasks.get(row.id, ())
    child = view.world.children.get(row.id)
    return any(task.status is TaskStatus.ACQUIRED for task in tasks) or (
        child is not None and not child.status.is_final
    )


def left_behind(view: View, row: NodeExecution) -> Mapping[str, object]:
    """Return the columns that a stopped task's result sets: its rollback data is needed."""
    for task in view.world.tasks.get(row.id, ()):
        if task.result is not None:
            return _of_result(row, task, task.result).changes
    return {}


def _is_over(view: View, row: NodeExecution) -> bool:
    return row.wake_at is not None and row.wake_at <= view.now


def expired_report(view: View, row: NodeExecution) -> Report | None:
    """Return the end of a leaf whose own time, or that of something above, is over."""
    if not view.is_expired(row):
        return None
    own = row.deadline_at is not None and row.deadline_at <= view.now
    what = "step" if own else "stage or pipeline"
    return Report(
        status=Status.EXPIRED,
        failure=failure_of(f"The {what} timed out.", "TIMEOUT_FAILURE"),
        cause=f"{what} timed out",
    )


def _of_tasks(view: View, row: NodeExecution, tasks: Sequence[DelegateTask]) -> Report | None:
    """Return the first bad end, or success once every task is complete."""
    reports = [_of_task(view, row, task) for task in tasks]
    for report in reports:
        if report is not None and report.status is not Status.SUCCEEDED:
            return report
    return reports[-1] if all(reports) else None


def _of_task(view: View, row: NodeExecution, task: DelegateTask) -> Report | None:
    if task.status is TaskStatus.COMPLETED and task.result is not None:
        return _of_result(row, task, task.result)
    if task.status is TaskStatus.CANCELLED:
        failure = failure_of("The task was cancelled.", "DELEGATE_RESTART")
        return Report(status=Status.FAILED, failure=failure, cause="task was cancelled")
    if task.status is TaskStatus.QUEUED:
        return _of_waiting(view, task)
    if task.progress.get("detached"):
        unit_progresses = task.progress.get("unitProgresses") or []
        changes = {"unit_progresses": unit_progresses, "delegate_id": task.delegate_id}
        return Report(status=Status.SUCCEEDED, changes=changes, cause="runs in the background")
    return _of_lease(view, task)


def _of_result(row: NodeExecution, task: DelegateTask, result: JsonObject) -> Report:
    status = Status(str(result["status"]))
    changes: dict[str, object] = {
        "outcomes": {**row.outcomes, **_outcomes(result)},
        "rollback_data": result.get("rollbackData"),
        "secret_outputs": result.get("secretOutputs") or [],
        "unit_progresses": task.progress.get("unitProgresses") or [],
        "delegate_id": task.delegate_id,
    }
    failure = result.get("failure")
    if status in {Status.FAILED, Status.ERRORED} and not isinstance(failure, Mapping):
        failure = failure_of("The step failed without a message.", "UNKNOWN_FAILURE")
    return Report(
        status=status,
        failure=failure if isinstance(failure, Mapping) else None,
        changes=changes,
        cause=f"delegate reported {status.value}",
    )


def _outcomes(result: JsonObject) -> dict[str, object]:
    outputs = result.get("outputs")
    variables = result.get("outputVariables")
    output: dict[str, object] = dict(outputs) if isinstance(outputs, Mapping) else {}
    if isinstance(variables, Mapping) and variables:
        output["outputVariables"] = dict(variables)
    return {"output": output} if output else {}


def _of_waiting(view: View, task: DelegateTask) -> Report | None:
    patience = timedelta(seconds=NO_DELEGATE_AFTER_S / view.world.time_scale)
    if view.now - max(task.created_at, view.world.engine_since) < patience:
        return None
    if any(
        delegate.account == task.account
        and delegate.is_connected(view.now)
        and is_eligible(delegate, task.type, task.selectors)
        for delegate in view.world.delegates
    ):
        return None
    wanted = f" with tags [{', '.join(task.selectors)}]" if task.selectors else ""
    message = f"{NO_DELEGATE}. Task type [{task.type}]{wanted}."
    failure = failure_of(message, "DELEGATE_PROVISIONING_FAILURE")
    return Report(status=Status.FAILED, failure=failure, cause="no eligible delegate")


def _of_lease(view: View, task: DelegateTask) -> Report | None:
    """Return the loss of a delegate; silence before this engine watched proves nothing."""
    if task.lease_until is None:
        return None
    watched_from = max(task.lease_until, view.world.engine_since)
    if view.now - watched_from < timedelta(seconds=LOST_AFTER_S):
        return None
    message = f"Delegate [{task.delegate_id}] was lost while it ran the task."
    failure = failure_of(message, "DELEGATE_RESTART")
    return Report(status=Status.FAILED, failure=failure, cause="delegate lost")


def _of_child(child: PlanExecution) -> Report | None:
    if not child.status.is_final:
        return None
    failure = None
    if child.status not in {Status.SUCCEEDED, Status.IGNORE_FAILED}:
        reason = str((child.failure or {}).get("message", child.status.wire))
        types = (child.failure or {}).get("failureTypes")
        known = map(str, types) if isinstance(types, Sequence) else ()
        failure = failure_of(f"Pipeline [{child.pipeline}]: {reason}", *known)
    return Report(status=child.status, failure=failure, cause=f"child ended {child.status.value}")


def _of_approval(view: View, approval: Approval) -> Report | None:
    outcome = {"output": approval_outcome(approval)}
    if approval.status is ApprovalStatus.APPROVED:
        return Report(status=Status.SUCCEEDED, changes={"outcomes": outcome}, cause="approved")
    if approval.status is ApprovalStatus.REJECTED:
        return Report(
            status=Status.APPROVAL_REJECTED,
            failure=failure_of("Approval Step has been Rejected", "APPROVAL_REJECTION"),
            changes={"outcomes": outcome},
            cause="rejected",
        )
    if approval.auto_approve_at is not None and approval.auto_approve_at <= view.now:
        return Report(status=Status.SUCCEEDED, changes={"outcomes": outcome}, cause="auto approval")
    return None


def approval_outcome(approval: Approval) -> JsonObject:
    """Return `output` of an approval step: activities and the inputs of the last approver."""
    inputs: dict[str, object] = {}
    for activity in approval.activities:
        given = activity.get("approverInputs")
        for item in given if isinstance(given, Sequence) else ():
            inputs[str(item["name"])] = item["value"]
    return {"approvalActivities": list(approval.activities), "approverInputs": inputs}
