"""What the demo measured: splits by weight, failures, stages and their times; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.demo.traffic import Answer
from sandbox.executions import StepRow, stage_rows, step_rows

_SETTLE_S = 0.5
"""Left out at each edge of a window: answers of requests that were under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span in which one weight was in force, in seconds since 1970."""

    planned: float
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One weight: planned and measured share of the new version, in percent."""

    planned: float
    measured: float
    requests: int


def weight_windows(steps: Sequence[StepRow], weights: dict[str, float]) -> list[Window]:
    """Return the span of each weight: from its shift step's end to the next one's start.

    Args:
        steps: the steps of the CD execution.
        weights: step uuid to `weightPercentage`, for the shift steps that succeeded.
    """
    shifts = sorted((s for s in steps if s.uuid in weights), key=lambda step: step.start_ts)
    if not shifts:
        return []
    ends = [step.start_ts / 1000 for step in shifts[1:]]
    rollbacks = [step.start_ts for step in steps if step.type.endswith("Rollback")]
    final = max((step.end_ts or step.start_ts for step in steps), default=0)
    last = min([*rollbacks, final]) / 1000
    return [
        Window(planned=weights[step.uuid], begin=step.end_ts / 1000, end=end)
        for step, end in zip(shifts, [*ends, last], strict=True)
    ]


def measure_splits(
    answers: Sequence[Answer], windows: Sequence[Window], new_version: str
) -> list[Split]:
    """Count who answered in each window."""
    splits = []
    for window in windows:
        begin, end = window.begin + _SETTLE_S, window.end - _SETTLE_S
        inside = [a for a in answers if begin <= a.at <= end and a.status == 200]
        new = sum(a.version == new_version for a in inside)
        share = 100 * new / len(inside) if inside else 0.0
        splits.append(Split(planned=window.planned, measured=share, requests=len(inside)))
    return splits


def failures(answers: Sequence[Answer]) -> int:
    """Return how many requests were not answered 200."""
    return sum(answer.status != 200 for answer in answers)


def shift_weights(execution: dict[str, Any]) -> dict[str, float]:
    """Return step uuid → weight of the traffic shifts that succeeded."""
    nodes = (execution.get("executionGraph") or {}).get("nodeMap", {})
    found: dict[str, float] = {}
    for uuid, node in nodes.items():
        if node["stepType"] != "EcsBlueGreenTrafficShift" or node["status"] != "Success":
            continue
        wrapper = node["stepParameters"].get("ecsTrafficShiftWrapper") or {}
        weight = (wrapper.get("spec") or {}).get("weightPercentage")
        if weight is not None:
            found[uuid] = float(weight)
    return found


def execution_record(execution: dict[str, Any]) -> dict[str, Any]:
    """Return one execution as `demo.json` keeps it."""
    summary = execution["pipelineExecutionSummary"]
    reasons = [step.message for step in step_rows(execution) if step.message]
    return {
        "pipeline": summary["pipelineIdentifier"],
        "planExecutionId": summary["planExecutionId"],
        "status": summary["status"],
        "seconds": ((summary.get("endTs") or summary["startTs"]) - summary["startTs"]) / 1000,
        "reason": summary["failureInfo"]["message"] or next(iter(reasons), ""),
        "stages": [
            {"identifier": s.identifier, "type": s.type, "status": s.status, "seconds": s.seconds}
            for s in stage_rows(execution)
        ],
    }
