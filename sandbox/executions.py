"""Reads execution answers of Harness's API into rows for people; pure.

Source: `executionGraph` and `pipelineExecutionSummary` as Harness's own clients parse them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FINAL = frozenset(
    {
        "Success",
        "IgnoreFailed",
        "Skipped",
        "Failed",
        "Errored",
        "Expired",
        "Aborted",
        "ApprovalRejected",
        "Suspended",
    }
)
_WRAPPERS = frozenset(
    {
        "PIPELINE_SECTION",
        "STAGES_STEP",
        "NG_EXECUTION",
        "STRATEGY",
        "NG_FORK",
        "NG_SECTION",
        "STEP_GROUP",
        "NG_STAGES_STEP",
        "ROLLBACK_OPTIONAL_CHILD_CHAIN",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage of an execution."""

    identifier: str
    name: str
    type: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of an execution."""

    uuid: str
    identifier: str
    path: str
    """`stage/group/step`"""
    stage: str
    type: str
    status: str
    seconds: float
    message: str
    log_keys: tuple[str, ...]
    start_ts: int
    end_ts: int


def stage_rows(answer: dict[str, Any]) -> list[StageRow]:
    """Return the stages in the order of their start."""
    layout = answer["pipelineExecutionSummary"].get("layoutNodeMap", {})
    rows = [
        StageRow(
            identifier=node["nodeIdentifier"],
            name=node["name"],
            type=node["nodeType"],
            status=node["status"],
            seconds=_seconds(node),
        )
        for node in layout.values()
        if node.get("nodeGroup") == "STAGE" and node["nodeType"] not in {"parallel", "STRATEGY"}
    ]
    order = {
        node["nodeIdentifier"]: node.get("startTs") or float("inf") for node in layout.values()
    }
    return sorted(rows, key=lambda row: order[row.identifier])


def step_rows(answer: dict[str, Any]) -> list[StepRow]:
    """Return the steps, depth first, wrappers left out."""
    graph = answer.get("executionGraph") or {}
    if not graph.get("rootNodeId"):
        return []
    return list(_walk(graph))


def _walk(graph: dict[str, Any]) -> Iterator[StepRow]:
    # A stack of its own: a long pipeline is a long chain of `nextIds`.
    waiting: list[tuple[str, tuple[str, ...], str]] = [(graph["rootNodeId"], (), "")]
    while waiting:
        uuid, path, stage = waiting.pop()
        node = graph["nodeMap"][uuid]
        links = graph["nodeAdjacencyListMap"].get(uuid, {})
        children = links.get("children", [])
        is_stage = _is_stage(node)
        within = node["identifier"] if is_stage else stage
        if not children and node["stepType"] not in _WRAPPERS and not is_stage:
            yield _step(node, path, stage)
        shown = is_stage or node["stepType"] == "STEP_GROUP"
        below = (*path, node["identifier"]) if shown else path
        waiting += [(following, path, stage) for following in reversed(links.get("nextIds", []))]
        waiting += [(child, below, within) for child in reversed(children)]


def _is_stage(node: dict[str, Any]) -> bool:
    name = node["baseFqn"]
    return ".spec." not in name and name.startswith("pipeline.stages.")


def _step(node: dict[str, Any], path: tuple[str, ...], stage: str) -> StepRow:
    responses = node.get("executableResponses") or [{}]
    keys: Any = next(iter(responses[0].values()), {}) if responses[0] else {}
    return StepRow(
        uuid=node["uuid"],
        identifier=node["identifier"],
        path="/".join((*path, node["identifier"])),
        stage=stage,
        type=node["stepType"],
        status=node["status"],
        seconds=_seconds(node),
        message=(node.get("failureInfo") or {}).get("message") or "",
        log_keys=tuple(keys.get("logKeys", ())) if isinstance(keys, dict) else (),
        start_ts=node.get("startTs") or 0,
        end_ts=node.get("endTs") or 0,
    )


def _seconds(node: dict[str, Any]) -> float:
    if not node.get("startTs") or not node.get("endTs"):
        return 0.0
    return (float(node["endTs"]) - float(node["startTs"])) / 1000
