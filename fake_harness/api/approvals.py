"""Approval instances. Source: `/pipeline/api/approvals`, v1 approvals of an execution."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import SYSTEM_USER, backend, json_body, millis, now, ok, text
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import approvals
from fake_harness.store.approvals import Activity, Approval

blueprint = Blueprint("approvals", __name__, url_prefix="/pipeline/api")


@blueprint.get("/approvals/<approval_id>")
def get(approval_id: str) -> ResponseReturnValue:
    """Read one approval instance."""
    with backend().read() as connection:
        return ok(_wire(approvals.require_approval(connection, approval_id)))


@blueprint.get("/v1/orgs/<org>/projects/<project>/approvals/execution/<execution_id>")
def list_of_execution(org: str, project: str, execution_id: str) -> ResponseReturnValue:
    """List the approval instances of an execution, as a bare array."""
    del org, project
    with backend().read() as connection:
        rows = approvals.list_approvals(connection, execution_id)
    return jsonify([_wire(row) for row in rows])


@blueprint.post("/approvals/<approval_id>/harness/activity")
def act(approval_id: str) -> ResponseReturnValue:
    """Approve or reject."""
    body = json_body()
    given = body.get("approverInputs")
    inputs = {
        str(item["name"]): str(item.get("value") or "")
        for item in (given if isinstance(given, list) else [])
        if isinstance(item, Mapping) and "name" in item
    }
    comments = text(body, "comments", "")
    return ok(_wire(decide(approval_id, text(body, "action"), comments=comments, inputs=inputs)))


@blueprint.get("/approvals/<approval_id>/harness/authorization")
def authorization(approval_id: str) -> ResponseReturnValue:
    """Tell whether the caller may act; the sandbox's one user always may."""
    with backend().read() as connection:
        approvals.require_approval(connection, approval_id)
    return ok({"authorized": True, "reason": None})


def decide(approval_id: str, action: str, *, comments: str, inputs: Mapping[str, str]) -> Approval:
    """Record what the sandbox's user says about an approval.

    Raises:
        HarnessError: the action is unknown, or the approval does not take it.
    """
    if action not in {"APPROVE", "REJECT"}:
        raise HarnessError("INVALID_REQUEST", f"action: [{action}] is not APPROVE or REJECT")
    activity = Activity(user=SYSTEM_USER, action=action, comments=comments, approver_inputs=inputs)
    with backend().write() as connection:
        if action == "APPROVE":
            _check_required(approvals.require_approval(connection, approval_id), inputs)
        return approvals.act(connection, approval_id, activity, now=now())


def _check_required(row: Approval, inputs: Mapping[str, str]) -> None:
    """Refuse an approval that leaves a required input empty."""
    declared = row.spec.get("approverInputs")
    for item in declared if isinstance(declared, Sequence) else ():
        name = str(item["name"])
        if item.get("required") and not (inputs.get(name) or item.get("defaultValue")):
            raise HarnessError("INVALID_REQUEST", f"Approver input [{name}] is required.")


def _wire(row: Approval) -> JsonObject:
    return {
        "id": row.id,
        "type": row.type,
        "status": row.status.value,
        "approvalMessage": row.message,
        "deadline": millis(row.deadline_at),
        "createdAt": millis(row.created_at),
        "lastModifiedAt": millis(row.updated_at),
        "planExecutionId": row.plan_execution_id,
        "nodeExecutionId": row.node_execution_id,
        "details": {
            "approvalMessage": row.message,
            "approvers": row.spec.get("approvers"),
            "approverInputs": row.spec.get("approverInputs"),
            "approvalActivities": list(row.activities),
        },
    }
