"""Whether a node's `when` lets it run, as far as statuses tell; pure.

The `condition` text is evaluated by `apply`, with the node's expression scope.
Source: harness-core RunInfoUtils and the static aliases of PipelineServiceApplication.
"""

from dataclasses import dataclass

from fake_harness.pipeline.plan import JsonObject, NodeKind, PlanNode, When
from fake_harness.status import BROKE, Status

_GOOD = frozenset({Status.SUCCEEDED, Status.IGNORE_FAILED})
_GATED = frozenset({NodeKind.STAGE, NodeKind.STEP, NodeKind.STEP_GROUP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The verdict on statuses. `text` is what Harness shows as `whenCondition`."""

    passes: bool
    text: str
    condition: str | None = None
    """Still to be evaluated when `passes`."""

    def run_info(self, *, evaluated: bool) -> JsonObject:
        """Return `nodeRunInfo`."""
        return {"whenCondition": self.text, "evaluatedCondition": evaluated, "expressions": []}


def gate(
    node: PlanNode,
    *,
    pipeline_status: Status,
    stage_status: Status,
    in_rollback: bool = False,
    pipeline_rolls_back: bool = False,
    of_iteration: bool = False,
) -> Gate:
    """Judge a node that is about to start.

    A looped node is judged once, at its STRATEGY node; each iteration (`of_iteration`) only
    looks at the condition, which may name the iteration.
    """
    if node.kind is NodeKind.STRATEGY:
        child = node.children[0]
        inner = gate(
            child,
            pipeline_status=pipeline_status,
            stage_status=stage_status,
            in_rollback=in_rollback,
            pipeline_rolls_back=pipeline_rolls_back,
        )
        own = node.when.condition if node.when else None
        return Gate(passes=inner.passes, text=inner.text, condition=own)
    if node.kind not in _GATED:
        return Gate(passes=True, text="<+Always>")
    when = node.when
    group, status = (
        ("Pipeline", pipeline_status) if node.kind is NodeKind.STAGE else ("Stage", stage_status)
    )
    passes, alias = _run_on(when, group, status, in_rollback=in_rollback)
    condition = when.condition if when else None
    text = f"{alias} && ({condition})" if condition else alias
    return Gate(
        passes=passes or of_iteration or (pipeline_rolls_back and when is None),
        text=text,
        condition=condition,
    )


def _run_on(
    when: When | None, group: str, status: Status, *, in_rollback: bool
) -> tuple[bool, str]:
    if when is None and in_rollback:
        return status in BROKE, "<+OnRollbackModeExecution> || <+OnStageFailure>"
    run_on = when.run_on if when else "Success"
    if run_on == "All":
        return True, "<+Always>"
    if run_on == "Failure":
        return status in BROKE, f"<+On{group}Failure>"
    return status in _GOOD, f"<+On{group}Success>"
