"""The frozen plan of one execution: a tree of nodes; it holds no run-time state.

`compile.py` makes it from YAML; the store keeps it as JSON beside the source; the engine
reads it. Nothing is parsed again once an execution has started.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter

JsonObject = Mapping[str, object]

SCHEMA_VERSION = 1


class NodeKind(StrEnum):
    """What a node is; the engine has one small decider for each."""

    PIPELINE = "PIPELINE"
    """Children run in order; `when` of a stage looks at the pipeline's status."""
    PARALLEL = "PARALLEL"
    """Children start together; all run to their end."""
    STRATEGY = "STRATEGY"
    """Exactly one child, a template: the engine makes one instance per iteration."""
    STAGE = "STAGE"
    """Children run in order (implicit steps, then EXECUTION); may have `rollback`."""
    EXECUTION = "EXECUTION"
    """The `execution.steps` of a stage."""
    ROLLBACK = "ROLLBACK"
    """The `rollbackSteps` of a stage or step group; started by a failure strategy."""
    STEP_GROUP = "STEP_GROUP"
    STEP = "STEP"


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A `when` block. `run_on`: Success | Failure | All."""

    run_on: str = "Success"
    condition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureAction:
    """What to do about a failure. Source: failure strategies reference."""

    type: str
    """Ignore | Abort | MarkAsSuccess | MarkAsFailure | StageRollback |
    StepGroupRollback | PipelineRollback | Retry | ManualIntervention"""
    retry_count: int = 0
    retry_intervals_s: tuple[float, ...] = ()
    on_retry_failure: "FailureAction | None" = None
    timeout_s: float | None = None
    on_timeout: "FailureAction | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureStrategy:
    """`errors` are failure types (`AllErrors`, `Timeout`, ...)."""

    errors: tuple[str, ...]
    action: FailureAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Looping: `matrix` | `parallelism` | `repeat`, its body unresolved."""

    kind: str
    body: JsonObject
    max_concurrency: int | str | None = None
    when: str | None = None
    """`strategy.when`: an expression; false makes no iteration."""
    on_failure: str = "RunAll"
    """RunAll | SkipQueued: what becomes of iterations that wait when one failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A pipeline, stage or step-group variable; `value` may be an expression."""

    name: str
    type: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
    """One node. `id` is unique in the plan and stable for the same YAML."""

    id: str
    identifier: str
    name: str
    fqn: str
    """`pipeline.stages.dev.spec.execution.steps.deploy`: where expressions find it."""
    kind: NodeKind
    type: str = ""
    """Stage type (`CI`, `Deployment`, ...) or step type (`Run`, `EcsRollingDeploy`)."""
    params: JsonObject = field(default_factory=dict)
    """The `spec`, expressions unresolved."""
    when: When | None = None
    timeout: str | None = None
    """`10m`, or an expression; None means the engine's default."""
    failure_strategies: tuple[FailureStrategy, ...] = ()
    strategy: Strategy | None = None
    """Set on STRATEGY nodes only."""
    variables: tuple[Variable, ...] = ()
    delegate_selectors: tuple[str, ...] = ()
    children: tuple["PlanNode", ...] = ()
    rollback: "PlanNode | None" = None

    def walk(self) -> Iterator["PlanNode"]:
        """Yield this node and all below it, rollback trees included, in order."""
        yield self
        for child in self.children:
            yield from child.walk()
        if self.rollback is not None:
            yield from self.rollback.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A compiled pipeline, inputs merged, templates expanded."""

    pipeline_identifier: str
    name: str
    org_identifier: str
    project_identifier: str
    root: PlanNode
    source_yaml: str
    """The merged YAML that was compiled."""
    codebase: JsonObject | None = None
    """`pipeline.properties.ci.codebase`, expressions unresolved."""
    tags: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> bytes:
        """Write the plan for the store."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes | str) -> "Plan":
        """Read a stored plan."""
        return _ADAPTER.validate_json(body)


_ADAPTER: TypeAdapter[Plan] = TypeAdapter(Plan)
