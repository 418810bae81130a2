"""The contract of a step type that the engine runs from rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from fake_harness.engine.commands import Place
from fake_harness.engine.context import NodeScope
from fake_harness.engine.index import PlanIndex
from fake_harness.pipeline.plan import JsonObject
from fake_harness.status import Status
from fake_harness.store.delegate_tasks import NewTask
from fake_harness.store.executions import PlanExecution
from fake_harness.store.node_executions import NodeExecution


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step sees: its row, its rendered `params`, and the transaction that it is in."""

    connection: Connection
    execution: PlanExecution
    index: PlanIndex
    place: Place
    row: NodeExecution
    scope: NodeScope
    params: JsonObject
    timeout_s: float
    now: datetime
    time_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a start led to. With a final status the step is over at once."""

    status: Status
    changes: Mapping[str, object] = field(default_factory=dict)
    """Columns of the node execution to set."""
    tasks: Sequence[NewTask] = ()


def _nothing_more(_context: StepContext) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStep:
    """A step type.

    `start` is called once an attempt, in the transaction that stores the node; what it
    writes is undone when it raises NodeFailedError or ExpressionError. `finish` is called
    when what it waited for ended well, in the transaction that ends the node; it returns
    columns to set. Neither may touch anything but the database.
    """

    start: Callable[[StepContext], Started] | None = None
    """None: a delegate runs the step, and only `finish` is ours."""
    finish: Callable[[StepContext], Mapping[str, object]] = _nothing_more
    unrendered: frozenset[str] = frozenset()
    """Params that are not resolved at the start (they name what is not known yet)."""
