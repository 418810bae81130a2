"""Failure strategies: which action answers a failure, and what follows from it; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from fake_harness.engine.index import PlanIndex
from fake_harness.pipeline.plan import FailureAction, FailureStrategy, NodeKind, PlanNode
from fake_harness.status import Status

ALL_ERRORS = "AllErrors"
ROLLBACKS = ("StageRollback", "StepGroupRollback", "PipelineRollback")
_STATUS_OF = {
    "Ignore": Status.IGNORE_FAILED,
    "MarkAsSuccess": Status.SUCCEEDED,
    "MarkAsFailure": Status.FAILED,
    "Abort": Status.ABORTED,
}


class Reaction(Enum):
    """The three things that can follow a failure."""

    CONCLUDE = auto()
    RETRY = auto()
    INTERVENE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What to do about one failure."""

    reaction: Reaction
    status: Status
    advice: str = ""
    delay_s: float = 0.0
    """RETRY: the interval, not scaled."""
    timeout_s: float | None = None
    """INTERVENE: how long to wait for a person."""


def action_for(
    index: PlanIndex, node: PlanNode, failure_types: Sequence[str]
) -> FailureAction | None:
    """Return the action of the innermost strategy that covers the failure.

    Step before step group before stage, for each failure type on its own. Steps under
    `rollbackSteps` ignore what stands above those. Source: harness-core failure advisers.
    """
    levels = [node.failure_strategies]
    for parent in index.ancestors(node):
        if parent.kind is NodeKind.ROLLBACK:
            break
        levels.append(parent.failure_strategies)
    for failure_type in failure_types or ("UNKNOWN_FAILURE",):
        for strategies in levels:
            action = _match(strategies, failure_type)
            if action is not None:
                return action
    return None


def respond(action: FailureAction | None, *, status: Status, attempt: int) -> Response:
    """Return what follows from `action` after attempt number `attempt` (from 0) broke."""
    if action is None:
        return Response(reaction=Reaction.CONCLUDE, status=status)
    if action.type == "Retry":
        if attempt < action.retry_count:
            return Response(
                reaction=Reaction.RETRY,
                status=status,
                advice="Retry",
                delay_s=interval_s(action.retry_intervals_s, attempt),
            )
        return respond(action.on_retry_failure, status=status, attempt=attempt)
    if action.type == "ManualIntervention":
        return Response(
            reaction=Reaction.INTERVENE,
            status=status,
            advice=action.type,
            timeout_s=action.timeout_s,
        )
    final = _STATUS_OF.get(action.type, status)
    return Response(reaction=Reaction.CONCLUDE, status=final, advice=action.type)


def after_intervention(action: FailureAction | None) -> FailureAction | None:
    """Return what to do when nobody intervened in time, given the failure's action."""
    while action is not None and action.type == "Retry":
        action = action.on_retry_failure
    return action.on_timeout if action is not None else None


def interval_s(intervals: Sequence[float], attempt: int) -> float:
    """Return the pause before the next attempt; the last interval repeats."""
    if not intervals:
        return 0.0
    return intervals[min(attempt, len(intervals) - 1)]


def normalized(failure_type: str) -> str:
    """Return one spelling for `Timeout`, `TIMEOUT_FAILURE` and `TIMEOUT_ERROR`."""
    letters = re.sub(r"[^A-Z]", "", failure_type.upper())
    for suffix in ("FAILURE", "ERROR"):
        letters = letters.removesuffix(suffix)
    return letters


def _match(strategies: Sequence[FailureStrategy], failure_type: str) -> FailureAction | None:
    wanted = normalized(failure_type)
    for strategy in strategies:
        if any(normalized(e) == wanted for e in strategy.errors if e != ALL_ERRORS):
            return strategy.action
    return next((s.action for s in strategies if ALL_ERRORS in s.errors), None)
