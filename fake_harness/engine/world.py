"""Everything that `decide` may look at, and its indexes; pure, rebuilt each tick."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from fake_harness.engine.commands import Place
from fake_harness.engine.index import PlanIndex
from fake_harness.engine.rollup import roll_up
from fake_harness.pipeline.plan import NodeKind
from fake_harness.status import BROKE, Status
from fake_harness.store.approvals import Approval
from fake_harness.store.delegate_tasks import DelegateTask
from fake_harness.store.delegates import Delegate
from fake_harness.store.executions import PlanExecution
from fake_harness.store.interrupts import Interrupt, InterruptType
from fake_harness.store.node_executions import NodeExecution, latest_attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The facts about one execution at one moment."""

    execution: PlanExecution
    index: PlanIndex
    nodes: Sequence[NodeExecution]
    interrupts: Sequence[Interrupt] = ()
    tasks: Mapping[str, Sequence[DelegateTask]] = field(default_factory=dict)
    """By node execution."""
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    """By node execution."""
    children: Mapping[str, PlanExecution] = field(default_factory=dict)
    """Child executions by the node execution that started them."""
    delegates: Sequence[Delegate] = ()
    now: datetime
    time_scale: float = 1.0
    engine_since: datetime
    """Since when this engine watches: a delegate's silence before that proves nothing."""


class Halt(Enum):
    """Why nothing new may start at a place."""

    ABORTED = auto()
    EXPIRED = auto()
    PAUSED = auto()


class View:
    """A world with look-ups by place and by parent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.now
        self.index = world.index
        self.rows = {row.id: row for row in world.nodes}
        self._latest = {
            (row.plan_node_id, row.instance): row for row in latest_attempts(world.nodes)
        }
        self._below: dict[str, list[NodeExecution]] = {}
        for row in self._latest.values():
            if row.parent_id is not None:
                self._below.setdefault(row.parent_id, []).append(row)
        self._open = [i for i in world.interrupts if i.handled_at is None]
        self._abort_all = any(
            i.type in {InterruptType.ABORT_ALL, InterruptType.EXPIRE_ALL} for i in self._open
        )
        self._aborted_ids = {
            i.node_execution_id for i in self._open if i.type is InterruptType.ABORT
        }
        if None in self._aborted_ids:
            self._abort_all = True
        self.paused = _is_paused(world.interrupts)

    @property
    def open_interrupts(self) -> Sequence[Interrupt]:
        """Interrupts that were not settled yet, oldest first."""
        return self._open

    def row(self, place: Place) -> NodeExecution | None:
        """Return the latest attempt at a place."""
        return self._latest.get((place.node.id, place.instance))

    def latest(self, row: NodeExecution) -> NodeExecution:
        """Return the latest attempt of the node and iteration that `row` is of."""
        return self._latest[row.plan_node_id, row.instance]

    def below(self, node_id: str) -> Iterator[NodeExecution]:
        """Yield all latest attempts under a node execution."""
        for row in self._below.get(node_id, ()):
            yield row
            yield from self.below(row.id)

    def above(self, row: NodeExecution | None) -> Iterator[NodeExecution]:
        """Yield a node execution and its parents, nearest first."""
        while row is not None:
            yield row
            row = self.rows.get(row.parent_id) if row.parent_id is not None else None

    def leaves(self, node_id: str) -> Iterator[NodeExecution]:
        """Yield the latest attempts under a node execution that have nothing below them."""
        return (row for row in self.below(node_id) if not self._below.get(row.id))

    def halt(self, row: NodeExecution | None, *, rolling_back: bool = False) -> Halt | None:
        """Return why nothing new may start under `row`; `rolling_back` for a rollback."""
        if self.is_aborted(row):
            return Halt.ABORTED
        if self.is_expired(row, rolling_back=rolling_back):
            return Halt.EXPIRED
        return Halt.PAUSED if self.paused else None

    def is_aborted(self, row: NodeExecution | None) -> bool:
        """True when an abort that was not settled covers `row`."""
        return self._abort_all or any(r.id in self._aborted_ids for r in self.above(row))

    def is_expired(self, row: NodeExecution | None, *, rolling_back: bool = False) -> bool:
        """True when the time of `row` or of something above it is over.

        A rollback has its own time: only the pipeline's limit ends it.
        """
        for parent in self.above(row):
            limit = None if parent.status.is_final else parent.deadline_at
            exempt = rolling_back and parent.kind is not NodeKind.PIPELINE
            if limit is not None and limit <= self.now and not exempt:
                return True
            rolling_back = rolling_back or parent.kind is NodeKind.ROLLBACK
        return False

    def stage_status(self, row: NodeExecution | None) -> Status:
        """Return `<+stage.currentStatus>` as seen from `row`: its finished leaves, rolled up."""
        stage = next((r for r in self.above(row) if r.kind is NodeKind.STAGE), None)
        if stage is None:
            return Status.SUCCEEDED
        return roll_up(r.status for r in self.leaves(stage.id) if r.status.is_final)

    def pipeline_status(self) -> Status:
        """Return `<+pipeline.currentStatus>`: the finished stages, rolled up."""
        stages = (r for r in self._latest.values() if r.kind is NodeKind.STAGE)
        return roll_up(r.status for r in stages if r.status.is_final)

    def advised(self, node_id: str, *advices: str) -> bool:
        """True when something that broke under a node execution asks for such a rollback.

        What breaks in a rollback asks nothing of the part that is being rolled back: that has
        ended, and how it ended must not change.
        """
        inside = self._in_rollback(self.rows[node_id])
        return any(
            row.advice in advices and row.status in BROKE and (inside or not self._in_rollback(row))
            for row in (self.rows[node_id], *self.below(node_id))
        )

    def _in_rollback(self, row: NodeExecution) -> bool:
        return self.index.in_rollback(self.index.by_id[row.plan_node_id])


def _is_paused(interrupts: Sequence[Interrupt]) -> bool:
    switches = [i.type for i in interrupts if i.type in {InterruptType.PAUSE, InterruptType.RESUME}]
    return bool(switches) and switches[-1] is InterruptType.PAUSE
