"""A pipeline as it was written, checked and typed; expressions stay text.

`schema.py` reads it from YAML, `lint.py` looks at it, `compile.py` turns it into a plan.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fake_harness.pipeline.plan import FailureStrategy, Strategy, Variable, When

JsonObject = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What stages, step groups and steps share. `path` is where the node stands in YAML."""

    identifier: str
    name: str
    path: str
    fqn: str
    when: When | None = None
    timeout: str | None = None
    failure_strategies: tuple[FailureStrategy, ...] = ()
    strategy: Strategy | None = None
    variables: tuple[Variable, ...] = ()
    delegate_selectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec(NodeSpec):
    """One step."""

    type: str
    params: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGroupSpec(NodeSpec):
    """A step group with its own rollback steps."""

    steps: "tuple[StepItem, ...]" = ()
    rollback_steps: "tuple[StepItem, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelSteps:
    """Steps and groups that start together."""

    path: str
    items: "tuple[StepItem, ...]" = ()


StepItem = StepSpec | StepGroupSpec | ParallelSteps


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec(NodeSpec):
    """One stage; `params` is its `spec` without the execution."""

    type: str
    params: JsonObject = field(default_factory=dict)
    steps: tuple[StepItem, ...] = ()
    rollback_steps: tuple[StepItem, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelStages:
    """Stages that start together."""

    path: str
    stages: tuple[StageSpec, ...] = ()


StageItem = StageSpec | ParallelStages


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """A whole pipeline."""

    identifier: str
    name: str
    org_identifier: str = ""
    project_identifier: str = ""
    stages: tuple[StageItem, ...] = ()
    variables: tuple[Variable, ...] = ()
    delegate_selectors: tuple[str, ...] = ()
    timeout: str | None = None
    codebase: JsonObject | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def all_stages(self) -> Iterator[StageSpec]:
        """Yield the stages in order, parallel ones flattened."""
        for item in self.stages:
            if isinstance(item, ParallelStages):
                yield from item.stages
            else:
                yield item


def walk_steps(items: tuple[StepItem, ...]) -> Iterator[StepSpec | StepGroupSpec]:
    """Yield every step and step group in `items` and below, rollback steps included."""
    for item in items:
        if isinstance(item, ParallelSteps):
            yield from walk_steps(item.items)
        else:
            yield item
            if isinstance(item, StepGroupSpec):
                yield from walk_steps(item.steps)
                yield from walk_steps(item.rollback_steps)
