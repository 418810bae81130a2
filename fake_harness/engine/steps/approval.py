"""The HarnessApproval step: an approval row; the API acts on it, the engine sees it.

Source: harness.md 3.3. Not built: `isAutoRejectEnabled` and `callbackId` have no effect.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.steps.port import EngineStep, Started, StepContext
from fake_harness.status import Status
from fake_harness.store.approvals import Approval, insert_approval


def _start(context: StepContext) -> Started:
    execution = context.execution
    approval = Approval(
        id=context.row.id,
        plan_execution_id=execution.id,
        node_execution_id=context.row.id,
        account=execution.account,
        org=execution.org,
        project=execution.project,
        pipeline=execution.pipeline,
        message=str(context.params.get("approvalMessage", "")),
        spec=context.params,
        created_at=context.now,
        updated_at=context.now,
        deadline_at=context.row.deadline_at,
        auto_approve_at=_auto_approval(context),
    )
    insert_approval(context.connection, approval)
    details = {"approvalInstanceId": approval.id}
    return Started(status=Status.APPROVAL_WAITING, changes={"step_details": details})


def _auto_approval(context: StepContext) -> datetime | None:
    """Return when the step approves itself. Source: schema `autoApproval`."""
    auto = context.params.get("autoApproval")
    if not isinstance(auto, Mapping):
        return None
    deadline = auto.get("scheduledDeadline")
    if not isinstance(deadline, Mapping):
        return context.now
    text, zone = str(deadline.get("time", "")), str(deadline.get("timeZone", "UTC"))
    for pattern in ("%Y-%m-%d %I:%M %p", "%Y-%m-%d %H:%M"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=ZoneInfo(zone))
        except ZoneInfoNotFoundError as error:
            raise NodeFailedError(f"autoApproval: unknown time zone [{zone}].") from error
        except ValueError:
            continue
    message = f"autoApproval: [{text}] is not a time like `2026-11-30 09:30 AM`."
    raise NodeFailedError(message)


HARNESS_APPROVAL = EngineStep(start=_start)
