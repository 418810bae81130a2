"""Turn a merged pipeline into a frozen plan; refuse it with every problem at once.

Nodes that expressions can reach have their fqn as id. Wrappers get the fqn of what they wrap
and an id with a mark after it: `…deploy:strategy`, `…steps[2]:parallel`.
"""

from collections.abc import Iterator
from dataclasses import replace

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.deployment import deployment_axes, environment_step, service_step
from fake_harness.pipeline.inputs import fill_defaults, unfilled_inputs
from fake_harness.pipeline.lint import KnownEntities, lint_spec
from fake_harness.pipeline.plan import JsonObject, NodeKind, Plan, PlanNode, Strategy
from fake_harness.pipeline.problems import Report
from fake_harness.pipeline.schema import read_pipeline
from fake_harness.pipeline.spec import (
    NodeSpec,
    ParallelStages,
    ParallelSteps,
    PipelineSpec,
    StageItem,
    StageSpec,
    StepGroupSpec,
    StepItem,
    StepSpec,
)
from fake_harness.pipeline.yaml_source import Document, dump_yaml, load_yaml

CLONE_IDENTIFIER = "clone"
CLONE_FQN = "harness-git-clone"
_WORKSPACE = "/harness"


def compile_pipeline(merged_yaml: str, *, known: KnownEntities | None = None) -> Plan:
    """Return the plan of a pipeline whose inputs are merged and templates expanded.

    Unfilled inputs with a default get it; other unfilled inputs are problems.

    Raises:
        YamlInvalidError: anything keeps the pipeline from running; carries all problems,
            warnings included.
    """
    document = load_yaml(merged_yaml)
    filled = fill_defaults(document.data)
    if filled != document.data:
        # Lines stay those of the text that was given: a default never moves a node.
        document = replace(document, data=filled, text=dump_yaml(filled))
    spec, problems = check(document, known=known)
    if any(problem.severity == "ERROR" for problem in problems):
        raise YamlInvalidError(tuple(p for p in problems if p.severity == "ERROR"))
    return _plan(spec, document.text)


def check(
    document: Document, *, known: KnownEntities | None = None
) -> tuple[PipelineSpec, list[SchemaProblem]]:
    """Return the spec of a pipeline that is about to run, and all its problems."""
    report = Report(document)
    spec = read_pipeline(document, report)
    lint_spec(spec, document, report, known=known)
    for path, written in unfilled_inputs(document.data):
        report.error(path, f"the runtime input {written} has no value")
    return spec, report.problems


def _plan(spec: PipelineSpec, source: str) -> Plan:
    root = PlanNode(
        id="pipeline",
        identifier="pipeline",
        name=spec.name,
        fqn="pipeline",
        kind=NodeKind.PIPELINE,
        timeout=spec.timeout,
        variables=spec.variables,
        delegate_selectors=spec.delegate_selectors,
        children=tuple(_stage_items(spec)),
    )
    return Plan(
        pipeline_identifier=spec.identifier,
        name=spec.name,
        org_identifier=spec.org_identifier,
        project_identifier=spec.project_identifier,
        root=root,
        source_yaml=source,
        codebase=spec.codebase,
        tags=spec.tags,
    )


def _stage_items(spec: PipelineSpec) -> Iterator[PlanNode]:
    for index, item in enumerate(spec.stages):
        yield _stage_item(item, index, spec.codebase)


def _stage_item(item: StageItem, index: int, codebase: JsonObject | None) -> PlanNode:
    if isinstance(item, ParallelStages):
        fqn = f"pipeline.stages[{index}]"
        children = tuple(_looped(s, _stage(s, codebase), _loop_of(s)) for s in item.stages)
        return _parallel(fqn, index, children)
    return _looped(item, _stage(item, codebase), _loop_of(item))


def _loop_of(stage: StageSpec) -> Strategy | None:
    return stage.strategy or deployment_axes(stage)


def _parallel(fqn: str, index: int, children: tuple[PlanNode, ...]) -> PlanNode:
    return PlanNode(
        id=f"{fqn}:parallel",
        identifier=f"parallel_{index}",
        name=f"parallel_{index}",
        fqn=fqn,
        kind=NodeKind.PARALLEL,
        children=children,
    )


def _looped(spec: NodeSpec, body: PlanNode, strategy: Strategy | None) -> PlanNode:
    """Wrap `body` in a STRATEGY node when it loops."""
    if strategy is None:
        return body
    return PlanNode(
        id=f"{spec.fqn}:strategy",
        identifier=spec.identifier,
        name=spec.name,
        fqn=spec.fqn,
        kind=NodeKind.STRATEGY,
        type=body.type,
        strategy=strategy,
        children=(body,),
    )


def _stage(stage: StageSpec, codebase: JsonObject | None) -> PlanNode:
    return PlanNode(
        id=stage.fqn,
        identifier=stage.identifier,
        name=stage.name,
        fqn=stage.fqn,
        kind=NodeKind.STAGE,
        type=stage.type,
        params=stage.params,
        when=stage.when,
        timeout=stage.timeout,
        failure_strategies=stage.failure_strategies,
        variables=stage.variables,
        delegate_selectors=stage.delegate_selectors,
        children=tuple(_stage_children(stage, codebase)),
        rollback=_rollback(stage.rollback_steps, f"{stage.fqn}.spec.execution.rollbackSteps"),
    )


def _stage_children(stage: StageSpec, codebase: JsonObject | None) -> Iterator[PlanNode]:
    if stage.type == "Pipeline":
        yield _implicit(stage, "pipeline", "Pipeline", stage.params)
        return
    if stage.type == "Deployment":
        yield _implicit(stage, "service", "Service", service_step(stage))
        yield _implicit(stage, "infrastructure", "Infrastructure", environment_step(stage))
    yield from _services(stage)
    if stage.type == "CI" and codebase is not None and _clones(stage):
        yield _clone(stage, codebase)
    fqn = f"{stage.fqn}.spec.execution"
    yield PlanNode(
        id=fqn,
        identifier="execution",
        name="Execution",
        fqn=fqn,
        kind=NodeKind.EXECUTION,
        children=_steps(stage.steps, f"{fqn}.steps"),
    )


def _implicit(stage: StageSpec, identifier: str, kind: str, params: JsonObject) -> PlanNode:
    fqn = f"{stage.fqn}.spec.{identifier}"
    return PlanNode(
        id=fqn,
        identifier=identifier,
        name=kind,
        fqn=fqn,
        kind=NodeKind.STEP,
        type=kind,
        params=params,
    )


def _clones(stage: StageSpec) -> bool:
    return str(stage.params.get("cloneCodebase", "false")).lower() not in {"false", "none"}


def _services(stage: StageSpec) -> Iterator[PlanNode]:
    """Make a Background step of each of a CI stage's `serviceDependencies`.

    Source: Harness v0 schema; the Background step has taken their place, and does the same.
    """
    services = stage.params.get("serviceDependencies")
    for service in services if isinstance(services, list | tuple) else ():
        identifier = str(service["identifier"])
        fqn = f"{stage.fqn}.spec.serviceDependencies.{identifier}"
        yield PlanNode(
            id=fqn,
            identifier=identifier,
            name=str(service.get("name") or identifier),
            fqn=fqn,
            kind=NodeKind.STEP,
            type="Background",
            params=service["spec"],
            timeout="10m",
        )


def _clone(stage: StageSpec, codebase: JsonObject) -> PlanNode:
    """Make the step "Clone codebase", which fills the stage's workspace itself.

    Source: harness-core `CIExecutionConstants`; a manual build clones 50 commits deep.
    """
    fqn = f"{stage.fqn}.spec.execution.steps.{CLONE_FQN}"
    return PlanNode(
        id=fqn,
        identifier=CLONE_IDENTIFIER,
        name="Clone codebase",
        fqn=fqn,
        kind=NodeKind.STEP,
        type="GitClone",
        params={"cloneDirectory": _WORKSPACE, "depth": 50, **codebase},
        timeout="1h",
    )


def _steps(items: tuple[StepItem, ...], fqn: str) -> tuple[PlanNode, ...]:
    return tuple(_step_item(item, f"{fqn}[{i}]", i) for i, item in enumerate(items))


def _step_item(item: StepItem, fqn: str, index: int) -> PlanNode:
    if isinstance(item, ParallelSteps):
        return _parallel(fqn, index, _steps(item.items, fqn))
    body = _group(item) if isinstance(item, StepGroupSpec) else _step(item)
    return _looped(item, body, item.strategy)


def _group(group: StepGroupSpec) -> PlanNode:
    return PlanNode(
        id=group.fqn,
        identifier=group.identifier,
        name=group.name,
        fqn=group.fqn,
        kind=NodeKind.STEP_GROUP,
        when=group.when,
        timeout=group.timeout,
        failure_strategies=group.failure_strategies,
        variables=group.variables,
        delegate_selectors=group.delegate_selectors,
        children=_steps(group.steps, f"{group.fqn}.steps"),
        rollback=_rollback(group.rollback_steps, f"{group.fqn}.rollbackSteps"),
    )


def _step(step: StepSpec) -> PlanNode:
    return PlanNode(
        id=step.fqn,
        identifier=step.identifier,
        name=step.name,
        fqn=step.fqn,
        kind=NodeKind.STEP,
        type=step.type,
        params=step.params,
        when=step.when,
        timeout=step.timeout,
        failure_strategies=step.failure_strategies,
        delegate_selectors=step.delegate_selectors,
    )


def _rollback(items: tuple[StepItem, ...], fqn: str) -> PlanNode | None:
    if not items:
        return None
    return PlanNode(
        id=fqn,
        identifier="rollbackSteps",
        name="Rollback",
        fqn=fqn,
        kind=NodeKind.ROLLBACK,
        children=_steps(items, fqn),
    )
