"""Look-ups in a plan that the tree itself does not offer; pure, made once a plan."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fake_harness.pipeline.plan import NodeKind, Plan, PlanNode


@dataclass(frozen=True, slots=True)
class PlanIndex:
    """A plan with its nodes by id and their parents (of a rollback tree: its owner)."""

    plan: Plan
    by_id: dict[str, PlanNode] = field(default_factory=dict)
    parents: dict[str, PlanNode] = field(default_factory=dict)

    @staticmethod
    def of(plan: Plan) -> "PlanIndex":
        """Index `plan`."""
        index = PlanIndex(plan)
        for node in plan.root.walk():
            index.by_id[node.id] = node
            below = (*node.children, node.rollback) if node.rollback else node.children
            for child in below:
                index.parents[child.id] = node
        return index

    def ancestors(self, node: PlanNode) -> Iterator[PlanNode]:
        """Yield the parents of `node`, nearest first."""
        parent = self.parents.get(node.id)
        while parent is not None:
            yield parent
            parent = self.parents.get(parent.id)

    def stage_of(self, node: PlanNode) -> PlanNode | None:
        """Return the stage that `node` is in, or is."""
        if node.kind is NodeKind.STAGE:
            return node
        return next((a for a in self.ancestors(node) if a.kind is NodeKind.STAGE), None)

    def in_rollback(self, node: PlanNode) -> bool:
        """True for a node below `rollbackSteps`."""
        return any(a.kind is NodeKind.ROLLBACK for a in self.ancestors(node))


def is_leaf(node: PlanNode) -> bool:
    """True for what runs by itself: a step, or a stage that is another pipeline."""
    if node.kind is NodeKind.STAGE:
        return node.type == "Pipeline" and not node.children
    return node.kind is NodeKind.STEP
