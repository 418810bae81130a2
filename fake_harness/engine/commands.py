"""What `decide` may ask `apply` to do; data only. Every command carries its cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fake_harness.pipeline.plan import JsonObject, PlanNode
from fake_harness.status import Status
from fake_harness.store.node_executions import NodeExecution


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A plan node in one iteration: where a node execution is, or will be."""

    node: PlanNode
    instance: str = ""
    parent_id: str | None = None
    """The parent's node execution."""
    renames: tuple[tuple[str, str], ...] = ()
    """FQN prefixes of the plan and what they are in this iteration (`..steps.t_0`)."""
    iteration: JsonObject | None = None
    """Set on the direct child of a STRATEGY node only."""

    @property
    def fqn(self) -> str:
        """The node's FQN with the suffixes of its iterations."""
        for plan_prefix, prefix in reversed(self.renames):
            if self.node.fqn == plan_prefix or self.node.fqn.startswith(plan_prefix + "."):
                return prefix + self.node.fqn[len(plan_prefix) :]
        return self.node.fqn

    @property
    def postfix(self) -> str:
        """The suffix of this very iteration (`_0`), or nothing."""
        return "" if self.iteration is None else str(self.iteration["postfix"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Start the execution: RUNNING, with its root node."""

    place: Place
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a node's first attempt; `apply` looks at its `when` condition first."""

    place: Place
    cause: str
    condition: str | None = None
    run_info: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Start an attempt that was waiting (the interval of a retry is over)."""

    place: Place
    node_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Store a node as SKIPPED."""

    place: Place
    run_info: JsonObject
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """End a node: nothing of it may go on (tasks, approvals, child executions)."""

    node_id: str
    to: Status
    cause: str
    changes: Mapping[str, object] = field(default_factory=dict)
    finish: bool = False
    """Let the step's own `finish` add outcomes (Service, Pipeline stage)."""
    abort_all: bool = False
    """The failure action was Abort: the whole execution ends."""
    ends_stage: bool = False
    """The node is a stage: what its Background steps started ends with it."""
    place: Place | None = None
    """Needed with `finish`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """End an attempt as failed and queue the next one, in one transaction."""

    place: Place
    node: NodeExecution
    to: Status
    start_at: datetime
    cause: str
    changes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervene:
    """Ask a person what to do about a failure."""

    node_id: str
    wake_at: datetime | None
    cause: str
    changes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discontinue:
    """Ask what runs for a node to stop; `wake_at` ends the patience."""

    node_id: str
    wake_at: datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleInterrupt:
    """Note that an interrupt has had its effect."""

    interrupt_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowStatus:
    """Set the live status of a running execution."""

    to: Status
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """End the execution."""

    to: Status
    cause: str
    failure: JsonObject | None = None


Command = (
    Begin
    | Start
    | Launch
    | Skip
    | Conclude
    | Retry
    | Intervene
    | Discontinue
    | SettleInterrupt
    | ShowStatus
    | Finish
)
