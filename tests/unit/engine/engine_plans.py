"""Small plans, in the shapes that compile makes."""

from typing import Any

from fake_harness.pipeline.plan import (
    FailureAction,
    FailureStrategy,
    NodeKind,
    Plan,
    PlanNode,
    Strategy,
    When,
)


def step(
    name: str,
    *,
    when: Any = None,
    on_failure: Any = None,
    timeout: Any = None,
    kind: str = "ShellScript",
    params: Any = None,
) -> Any:
    return PlanNode(
        id=name,
        identifier=name,
        name=name,
        fqn=f"pipeline.{name}",
        kind=NodeKind.STEP,
        type=kind,
        when=when,
        timeout=timeout,
        params=params or {},
        failure_strategies=strategies(on_failure),
    )


def group(
    name: str, *children: Any, rollback: Any = (), on_failure: Any = None, when: Any = None
) -> Any:
    return PlanNode(
        id=name,
        identifier=name,
        name=name,
        fqn=f"pipeline.{name}",
        kind=NodeKind.STEP_GROUP,
        when=when,
        children=children,
        rollback=rollback_of(name, rollback),
        failure_strategies=strategies(on_failure),
    )


def parallel(name: str, *children: Any) -> Any:
    return PlanNode(
        id=name, identifier=name, name=name, fqn=name, kind=NodeKind.PARALLEL, children=children
    )


def looped(child: Any, *, limit: Any = None) -> Any:
    return PlanNode(
        id=f"{child.id}:strategy",
        identifier=child.identifier,
        name=child.name,
        fqn=child.fqn,
        kind=NodeKind.STRATEGY,
        strategy=Strategy(kind="repeat", body={"times": 3}, max_concurrency=limit),
        children=(child,),
    )


def stage(
    name: str,
    *steps: Any,
    rollback: Any = (),
    on_failure: Any = None,
    when: Any = None,
    timeout: Any = None,
) -> Any:
    execution = PlanNode(
        id=f"{name}.execution",
        identifier="execution",
        name="Execution",
        fqn=f"pipeline.stages.{name}.spec.execution",
        kind=NodeKind.EXECUTION,
        children=steps,
    )
    return PlanNode(
        id=name,
        identifier=name,
        name=name,
        fqn=f"pipeline.stages.{name}",
        kind=NodeKind.STAGE,
        type="Custom",
        when=when,
        timeout=timeout,
        children=(execution,),
        rollback=rollback_of(name, rollback),
        failure_strategies=strategies(on_failure),
    )


def rollback_of(owner: str, steps: Any) -> Any:
    if not steps:
        return None
    return PlanNode(
        id=f"{owner}.rollback",
        identifier="rollbackSteps",
        name="Rollback",
        fqn=f"pipeline.stages.{owner}.spec.execution.rollbackSteps",
        kind=NodeKind.ROLLBACK,
        children=tuple(steps),
    )


def pipeline(*stages: Any) -> Any:
    root = PlanNode(
        id="pipeline",
        identifier="pipeline",
        name="P",
        fqn="pipeline",
        kind=NodeKind.PIPELINE,
        children=stages,
    )
    return Plan(
        pipeline_identifier="p",
        name="P",
        org_identifier="default",
        project_identifier="demo",
        root=root,
        source_yaml="",
    )


def strategies(on_failure: Any) -> Any:
    """`"Ignore"`, a FailureAction, or `{errors: action}`."""
    if on_failure is None:
        return ()
    if not isinstance(on_failure, dict):
        on_failure = {"AllErrors": on_failure}
    return tuple(
        FailureStrategy(errors=(error,), action=as_action(action))
        for error, action in on_failure.items()
    )


def as_action(action: Any) -> Any:
    return FailureAction(type=action) if isinstance(action, str) else action


def retry(count: int, *, then: Any = None, intervals: Any = (0.0,)) -> Any:
    return FailureAction(
        type="Retry",
        retry_count=count,
        retry_intervals_s=intervals,
        on_retry_failure=None if then is None else as_action(then),
    )


def run_on(status: Any, condition: Any = None) -> Any:
    return When(run_on=status, condition=condition)
