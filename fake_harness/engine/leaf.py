"""Leaves (steps, child pipelines): what became of what runs for them; pure.

A leaf that ended badly is answered by its failure strategies before it gets a status, so
every status that is stored is the one that counts.
"""

from dataclasses import replace
from datetime import timedelta

from fake_harness.engine.commands import (
    Command,
    Conclude,
    Discontinue,
    Intervene,
    Launch,
    Place,
    Retry,
)
from fake_harness.engine.failure import (
    ROLLBACKS,
    Reaction,
    Response,
    action_for,
    after_intervention,
    respond,
)
from fake_harness.engine.reports import (
    Report,
    expired_report,
    failure_of,
    is_working,
    left_behind,
    report_of,
)
from fake_harness.engine.world import View
from fake_harness.pipeline.plan import FailureAction
from fake_harness.status import POSITIVE, Status
from fake_harness.store.interrupts import InterruptType
from fake_harness.store.node_executions import NodeExecution

ABORT_GRACE_S = 30.0
"""How long a delegate may take to stop a step before the step counts as aborted."""

_INTERVENTIONS = {
    InterruptType.IGNORE: FailureAction(type="Ignore"),
    InterruptType.MARK_AS_SUCCESS: FailureAction(type="MarkAsSuccess"),
    InterruptType.MARK_AS_FAILURE: FailureAction(type="MarkAsFailure"),
    InterruptType.STAGE_ROLLBACK: FailureAction(type="StageRollback"),
    InterruptType.STEP_GROUP_ROLLBACK: FailureAction(type="StepGroupRollback"),
}
_EXPIRED = Response(reaction=Reaction.CONCLUDE, status=Status.EXPIRED)
_MARKED_FAILED = frozenset({InterruptType.USER_MARKED_FAILURE, InterruptType.MARK_AS_FAILURE})


def advance_leaf(view: View, place: Place, row: NodeExecution) -> list[Command]:
    """Return what to do about a leaf that is not final."""
    if view.is_aborted(row):
        return _stop(view, place, row, Report(status=Status.ABORTED, cause="aborted"))
    if row.status is Status.QUEUED:
        return _launch_in_time(view, place, row)
    if row.status is Status.INTERVENTION_WAITING:
        return _intervene(view, place, row)
    report = None if row.status is Status.DISCONTINUING else report_of(view, row)
    if report is not None:
        return [_settle(view, place, row, report)]
    forced = _marked_failed(view, row) or expired_report(view, row)
    return [] if forced is None else _stop(view, place, row, forced)


def _stop(view: View, place: Place, row: NodeExecution, report: Report) -> list[Command]:
    """End a leaf from outside: what works for it is stopped first, within a limit."""
    if is_working(view, row):
        if row.status is not Status.DISCONTINUING:
            patience = view.now + timedelta(seconds=ABORT_GRACE_S)
            return [Discontinue(node_id=row.id, wake_at=patience, cause=report.cause)]
        if row.wake_at is None or row.wake_at > view.now:
            return []
    changes = {**left_behind(view, row), **report.changes}
    return [_settle(view, place, row, replace(report, changes=changes))]


def _launch_in_time(view: View, place: Place, row: NodeExecution) -> list[Command]:
    if view.is_expired(row):
        failure = failure_of("The time of the stage or pipeline is over.", "TIMEOUT_FAILURE")
        report = Report(status=Status.EXPIRED, failure=failure)
        return [_settle(view, place, row, report)]
    if view.paused or (row.start_at is not None and row.start_at > view.now):
        return []
    return [Launch(place=place, node_id=row.id, cause="retry interval is over")]


def _marked_failed(view: View, row: NodeExecution) -> Report | None:
    for interrupt in view.open_interrupts:
        if interrupt.node_execution_id == row.id and interrupt.type in _MARKED_FAILED:
            failure = failure_of("Marked as failed by a user.", "USER_MARKED_FAILURE")
            return Report(status=Status.FAILED, failure=failure)
    return None


def _settle(view: View, place: Place, row: NodeExecution, report: Report) -> Command:
    """Turn a report into the one command that moves the leaf on."""
    if report.status in POSITIVE or report.status is Status.ABORTED:
        return Conclude(
            node_id=row.id,
            to=report.status,
            cause=report.cause,
            changes=report.changes,
            finish=report.status in POSITIVE,
            place=place,
        )
    action = action_for(view.index, place.node, report.failure_types)
    if view.is_expired(view.rows.get(row.parent_id or "")):
        response = _only_rollback(action, report.status)
    else:
        response = respond(action, status=report.status, attempt=row.attempt)
    return _obey(view, place, row, report, response)


def _only_rollback(action: FailureAction | None, status: Status) -> Response:
    """Where the time of a stage is over, only its rollback can still follow."""
    while action is not None and action.type == "Retry":
        action = action.on_retry_failure
    advice = action.type if action is not None and action.type in ROLLBACKS else ""
    return Response(reaction=Reaction.CONCLUDE, status=status, advice=advice)


def _obey(
    view: View, place: Place, row: NodeExecution, report: Report, response: Response
) -> Command:
    changes = {**report.changes, "failure": report.failure, "advice": response.advice}
    cause = f"{report.cause}; {response.advice or 'no failure strategy'}"
    if response.reaction is Reaction.RETRY:
        pause = timedelta(seconds=response.delay_s / view.world.time_scale)
        return Retry(
            place=place,
            node=row,
            to=response.status,
            start_at=view.now + pause,
            cause=cause,
            changes=changes,
        )
    if response.reaction is Reaction.INTERVENE:
        limit = response.timeout_s
        wake_at = None if limit is None else view.now + timedelta(seconds=limit)
        return Intervene(node_id=row.id, wake_at=wake_at, cause=cause, changes=changes)
    return Conclude(
        node_id=row.id,
        to=response.status,
        cause=cause,
        changes=changes,
        abort_all=response.advice == "Abort",
    )


def _intervene(view: View, place: Place, row: NodeExecution) -> list[Command]:
    report = _kept_report(row)
    for interrupt in view.open_interrupts:
        if interrupt.node_execution_id != row.id:
            continue
        if interrupt.type is InterruptType.RETRY:
            retry = Response(reaction=Reaction.RETRY, status=Status.FAILED, advice="Retry")
            return [_obey(view, place, row, report, retry)]
        if interrupt.type in _INTERVENTIONS:
            response = respond(
                _INTERVENTIONS[interrupt.type], status=Status.FAILED, attempt=row.attempt
            )
            return [_obey(view, place, row, report, response)]
    if view.is_expired(view.rows.get(row.parent_id or "")):
        return [_obey(view, place, row, report, _EXPIRED)]
    if row.wake_at is not None and row.wake_at <= view.now:
        action = action_for(view.index, place.node, report.failure_types)
        response = respond(after_intervention(action), status=Status.FAILED, attempt=row.attempt)
        report = replace(report, cause="nobody intervened in time")
        return [_obey(view, place, row, report, response)]
    return []


def _kept_report(row: NodeExecution) -> Report:
    """Return the failure that led to the intervention, as the row keeps it."""
    return Report(status=Status.FAILED, failure=row.failure, cause="intervention")
