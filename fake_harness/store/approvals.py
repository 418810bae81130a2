"""Approval instances: created by the engine, acted on through the API, read by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select, update

from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store.tables import approvals


class ApprovalStatus(StrEnum):
    """Source: approvals API, `status`."""

    WAITING = "WAITING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What somebody said about an approval."""

    user: Mapping[str, str]
    """`{"identifier", "name", "email"}`"""
    action: str
    """APPROVE | REJECT"""
    comments: str = ""
    approver_inputs: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One approval step's instance. `spec` is the step's rendered spec."""

    id: str
    plan_execution_id: str
    node_execution_id: str
    account: str
    org: str
    project: str
    pipeline: str
    type: str = "HarnessApproval"
    status: ApprovalStatus = ApprovalStatus.WAITING
    message: str = ""
    spec: JsonObject
    activities: Sequence[JsonObject] = ()
    """`{"user": {..}, "action", "comments", "approverInputs": [{name, value}], "approvedAt"}`"""
    created_at: datetime
    updated_at: datetime
    deadline_at: datetime | None = None
    auto_approve_at: datetime | None = None


def insert_approval(connection: Connection, approval: Approval) -> bool:
    """Store a waiting approval; False when the node has one already."""
    statement = select(approvals.c.id).where(
        approvals.c.node_execution_id == approval.node_execution_id
    )
    if connection.execute(statement).first() is not None:
        return False
    values = {f.name: getattr(approval, f.name) for f in fields(approval)}
    connection.execute(approvals.insert().values(values | {"status": approval.status.value}))
    return True


def get_approval(connection: Connection, approval_id: str) -> Approval | None:
    """Return one approval, or None."""
    statement = select(approvals).where(approvals.c.id == approval_id)
    row = connection.execute(statement).mappings().first()
    return None if row is None else _approval(row)


def require_approval(connection: Connection, approval_id: str) -> Approval:
    """Return one approval; HarnessError when there is none."""
    approval = get_approval(connection, approval_id)
    if approval is None:
        message = f"Approval instance with id [{approval_id}] not found"
        raise HarnessError("RESOURCE_NOT_FOUND_EXCEPTION", message, status=404)
    return approval


def list_approvals(connection: Connection, plan_execution_id: str) -> tuple[Approval, ...]:
    """Return the approvals of an execution, oldest first."""
    statement = (
        select(approvals)
        .where(approvals.c.plan_execution_id == plan_execution_id)
        .order_by(approvals.c.created_at)
    )
    return tuple(map(_approval, connection.execute(statement).mappings()))


def act(connection: Connection, approval_id: str, activity: Activity, *, now: datetime) -> Approval:
    """Record an approval or a rejection; the first rejection rejects.

    Raises HarnessError when the approval is not waiting, when the same user acts twice, or
    when a required approver input is missing. Who may act is the API's question.
    """
    approval = require_approval(connection, approval_id)
    if approval.status is not ApprovalStatus.WAITING:
        raise HarnessError(
            "INVALID_REQUEST",
            f"Approval instance [{approval_id}] has already completed: {approval.status.value}.",
        )
    changed = _with_activity(approval, activity, now)
    connection.execute(
        update(approvals)
        .where(approvals.c.id == approval_id, approvals.c.status == ApprovalStatus.WAITING.value)
        .values(activities=list(changed.activities), status=changed.status.value, updated_at=now)
    )
    return changed


def close(connection: Connection, node_id: str, status: ApprovalStatus, *, now: datetime) -> None:
    """End a waiting approval from outside (EXPIRED, ABORTED). Safe to repeat."""
    connection.execute(
        update(approvals)
        .where(
            approvals.c.node_execution_id == node_id,
            approvals.c.status == ApprovalStatus.WAITING.value,
        )
        .values(status=status.value, updated_at=now)
    )


def _with_activity(approval: Approval, activity: Activity, now: datetime) -> Approval:
    who = activity.user.get("identifier") or activity.user.get("email", "")
    if any(_actor(past) == who for past in approval.activities):
        raise HarnessError("INVALID_REQUEST", f"User [{who}] has already acted on this approval.")
    inputs = _merged_inputs(approval, activity)
    entry: JsonObject = {
        "user": dict(activity.user),
        "action": activity.action,
        "comments": activity.comments,
        "approverInputs": [{"name": name, "value": value} for name, value in inputs.items()],
        "approvedAt": int(now.timestamp() * 1000),
    }
    activities = (*approval.activities, entry)
    status = approval.status
    if activity.action == "REJECT":
        status = ApprovalStatus.REJECTED
    elif sum(past["action"] == "APPROVE" for past in activities) >= _minimum_count(approval):
        status = ApprovalStatus.APPROVED
    return replace(approval, activities=activities, status=status, updated_at=now)


def _actor(activity: JsonObject) -> str:
    user = activity["user"]
    if not isinstance(user, Mapping):
        return ""
    return str(user.get("identifier") or user.get("email", ""))


def _minimum_count(approval: Approval) -> int:
    approvers = approval.spec.get("approvers")
    count = approvers.get("minimumCount", 1) if isinstance(approvers, Mapping) else 1
    return int(count)


def _merged_inputs(approval: Approval, activity: Activity) -> dict[str, str]:
    """Return the declared inputs with their defaults, overlaid by what was given."""
    given = dict(activity.approver_inputs or {})
    declared = approval.spec.get("approverInputs")
    merged: dict[str, str] = {}
    for item in declared if isinstance(declared, Sequence) else ():
        name = str(item["name"])
        value = given.pop(name, None) or item.get("defaultValue")
        if value is None and item.get("required") and activity.action == "APPROVE":
            raise HarnessError("INVALID_REQUEST", f"Approver input [{name}] is required.")
        merged[name] = "" if value is None else str(value)
    if given:
        raise HarnessError("INVALID_REQUEST", f"Unknown approver inputs: {sorted(given)}.")
    return merged


def _approval(row: RowMapping) -> Approval:
    return Approval(**{**row, "status": ApprovalStatus(row["status"])})
