"""Which rollback trees run, and in which order; pure.

Source: harness-core RollbackPlanCreator: the rollback steps of executed step groups in
reverse, then the `rollbackSteps` of the stage.
"""

from collections.abc import Iterable

from fake_harness.engine.commands import Place
from fake_harness.engine.world import View
from fake_harness.pipeline.plan import NodeKind, PlanNode
from fake_harness.status import BROKE, Status
from fake_harness.store.node_executions import NodeExecution


def stage_rollback(view: View, stage: PlanNode, row: NodeExecution) -> list[Place]:
    """Return the rollback trees of a stage in the order in which they run."""
    order = {node.id: number for number, node in enumerate(stage.walk())}
    groups = [
        group
        for group in view.below(row.id)
        if group.kind is NodeKind.STEP_GROUP
        and group.status is not Status.SKIPPED
        and not view.index.in_rollback(view.index.by_id[group.plan_node_id])
    ]
    groups.sort(key=lambda group: (order[group.plan_node_id], group.created_at), reverse=True)
    places = [_place(view, group, under=row) for group in groups]
    own = _place(view, row, under=row)
    return [place for place in (*places, own) if place is not None]


def wants_stage_rollback(view: View, status: Status, row: NodeExecution) -> bool:
    """True when the stage broke by a failure whose action rolls it back."""
    return status in BROKE and view.advised(row.id, "StageRollback", "PipelineRollback")


def group_rollback(view: View, group: PlanNode, row: NodeExecution) -> list[Place]:
    """Return the rollback tree of a step group, when a failure in it asks for one.

    The innermost group that has rollback steps takes it.
    """
    inner = any(r.kind is NodeKind.ROLLBACK and r.parent_id != row.id for r in view.below(row.id))
    if group.rollback is None or inner or not view.advised(row.id, "StepGroupRollback"):
        return []
    place = _place(view, row, under=row)
    return [] if place is None else [place]


def pipeline_rollback(view: View, root: NodeExecution) -> list[Place]:
    """Return the rollback trees of all stages that ran, last stage first."""
    if not view.advised(root.id, "PipelineRollback"):
        return []
    order = {node.id: number for number, node in enumerate(view.index.plan.root.walk())}
    stages = [
        row
        for row in view.below(root.id)
        if row.kind is NodeKind.STAGE and row.status is not Status.SKIPPED
    ]
    stages.sort(key=lambda row: order[row.plan_node_id], reverse=True)
    return list(_flat(view, stages))


def _flat(view: View, stages: Iterable[NodeExecution]) -> Iterable[Place]:
    for row in stages:
        yield from stage_rollback(view, view.index.by_id[row.plan_node_id], row)


def _place(view: View, owner: NodeExecution, *, under: NodeExecution) -> Place | None:
    """Return where the rollback tree of `owner` runs; None when another parent ran it."""
    node = view.index.by_id[owner.plan_node_id]
    if node.rollback is None:
        return None
    place = Place(
        node=node.rollback,
        instance=owner.instance,
        parent_id=under.id,
        renames=((node.fqn, owner.fqn),),
    )
    found = view.row(place)
    return None if found is not None and found.parent_id != under.id else place
