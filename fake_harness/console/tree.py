"""Plan and node executions → stages and step trees to show; pure.

What has started comes from rows, what has not from the plan, both in the plan's order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fake_harness.pipeline.plan import NodeKind, Plan, PlanNode
from fake_harness.status import ACTIVE, BROKE, Status
from fake_harness.store.node_executions import NodeExecution, latest_attempts

WAITING = (Status.INTERVENTION_WAITING, Status.APPROVAL_WAITING)
"""What waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """One line of a tree, or one box of the stage graph."""

    id: str
    """The node execution's id; the plan node's while it has not started."""
    kind: NodeKind
    type: str
    identifier: str
    name: str
    status: Status
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: str = ""
    children: tuple["TreeNode", ...] = ()

    @property
    def is_started(self) -> bool:
        """True when there is a row for it."""
        return self.started_at is not None

    def walk(self) -> Iterator["TreeNode"]:
        """Yield this node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class Forest:
    """The nodes of one execution by their parents."""

    def __init__(self, plan: Plan, rows: Iterable[NodeExecution]) -> None:
        self._plan = plan
        self._below: dict[str | None, list[NodeExecution]] = {}
        for row in latest_attempts(rows):
            self._below.setdefault(row.parent_id, []).append(row)

    def columns(self) -> tuple[tuple[TreeNode, ...], ...]:
        """Return the stages from left to right; those of one column run side by side."""
        root = next(iter(self._below.get(None, [])), None)
        items = self._children(self._plan.root, root)
        return tuple(tuple(_stages(item)) for item in items)

    def _children(self, node: PlanNode | None, row: NodeExecution | None) -> tuple[TreeNode, ...]:
        rows = self._below.get(row.id, []) if row is not None else []
        plan_children = _plan_children(node)
        order = {child.id: index for index, child in enumerate(plan_children)}
        started = sorted(rows, key=lambda r: (order.get(r.plan_node_id, len(order)), _path(r)))
        by_id = {child.id: child for child in plan_children}
        seen = {r.plan_node_id for r in rows}
        shown = [(order.get(r.plan_node_id, len(order)), self._node(r, by_id)) for r in started]
        shown += [
            (order[child.id], self._future(child))
            for child in plan_children
            if child.id not in seen and child.kind is not NodeKind.ROLLBACK
        ]
        shown.sort(key=lambda pair: pair[0])
        return tuple(item for _, found in shown for item in _flat(found))

    def _node(self, row: NodeExecution, by_id: Mapping[str, PlanNode]) -> TreeNode:
        children = self._children(by_id.get(row.plan_node_id), row)
        return TreeNode(
            id=row.id,
            kind=row.kind,
            type=row.type,
            identifier=row.identifier,
            name=row.name,
            status=live_status(row.status, (n.status for c in children for n in c.walk())),
            attempt=row.attempt,
            started_at=row.started_at or row.created_at,
            ended_at=row.ended_at,
            failure=str((row.failure or {}).get("message", "")),
            children=children,
        )

    def _future(self, node: PlanNode) -> TreeNode:
        return TreeNode(
            id=node.id,
            kind=node.kind,
            type=node.type,
            identifier=node.identifier,
            name=node.name,
            status=Status.NOT_STARTED,
            children=self._children(node, None),
        )


def live_status(own: Status, below: Iterable[Status]) -> Status:
    """Return what a node shows: one that runs shows that something in it waits for a person."""
    if own is not Status.RUNNING:
        return own
    seen = set(below)
    return next((status for status in WAITING if status in seen), own)


def chosen_stage(columns: Sequence[Sequence[TreeNode]], wanted: str) -> TreeNode | None:
    """Return the stage that was asked for, else the one to look at: see `most_interesting`."""
    stages = [stage for column in columns for stage in column]
    for stage in stages:
        if wanted and wanted in {stage.id, stage.identifier}:
            return stage
    return most_interesting(stages)


def chosen_step(stage: TreeNode | None, wanted: str) -> TreeNode | None:
    """Return the step (or group) that was asked for, else the one to look at."""
    if stage is None:
        return None
    below = [node for node in stage.walk() if node is not stage]
    for node in below:
        if node.id == wanted:
            return node
    return most_interesting([n for n in below if n.kind is NodeKind.STEP and n.is_started])


def stage_of(columns: Sequence[Sequence[TreeNode]], node_id: str) -> TreeNode | None:
    """Return the stage that contains a node."""
    for column in columns:
        for stage in column:
            if any(node.id == node_id for node in stage.walk()):
                return stage
    return None


def most_interesting(nodes: Sequence[TreeNode]) -> TreeNode | None:
    """Return what waits for a person, else what runs, else what broke, else the last started."""
    for wanted in (frozenset(WAITING), ACTIVE - {Status.QUEUED}, BROKE | {Status.ABORTED}):
        for node in nodes:
            if node.status in wanted:
                return node
    started = [n for n in nodes if n.is_started and n.status is not Status.SKIPPED]
    return started[-1] if started else next(iter(nodes), None)


def _plan_children(node: PlanNode | None) -> tuple[PlanNode, ...]:
    if node is None:
        return ()
    return node.children if node.rollback is None else (*node.children, node.rollback)


def _path(row: NodeExecution) -> tuple[int, ...]:
    return tuple(int(part) for part in row.instance.split(".") if part.isdigit())


def _flat(node: TreeNode) -> Iterator[TreeNode]:
    """Leave out levels that say nothing to a person."""
    if node.kind is NodeKind.EXECUTION:
        yield from node.children
    elif node.kind is NodeKind.STRATEGY and node.is_started:
        yield replace(node, name=f"{node.name} (loop)", kind=NodeKind.PARALLEL)
    elif node.kind is NodeKind.STRATEGY:
        yield from node.children
    else:
        yield node


def _stages(node: TreeNode) -> Iterator[TreeNode]:
    if node.kind is NodeKind.STAGE:
        yield node
        return
    for child in node.children:
        yield from _stages(child)
