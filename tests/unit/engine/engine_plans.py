"""Small plans, in the shapes that compile makes."""

from fake_harness.pipeline.plan import (
    FailureAction,
    FailureStrategy,
    NodeKind,
    Plan,
    PlanNode,
    Strategy,
    When,
)


def step(name, *, when=None, on_failure=None, timeout=None, type="ShellScript", params=None):
    return PlanNode(
        id=name,
        identifier=name,
        name=name,
        fqn=f"pipeline.{name}",
        kind=NodeKind.STEP,
        type=type,
        when=when,
        timeout=timeout,
        params=params or {},
        failure_strategies=strategies(on_failure),
    )


def group(name, *children, rollback=(), on_failure=None, when=None):
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


def parallel(name, *children):
    return PlanNode(
        id=name, identifier=name, name=name, fqn=name, kind=NodeKind.PARALLEL, children=children
    )


def looped(child, *, limit=None):
    return PlanNode(
        id=f"{child.id}:strategy",
        identifier=child.identifier,
        name=child.name,
        fqn=child.fqn,
        kind=NodeKind.STRATEGY,
        strategy=Strategy(kind="repeat", body={"times": 3}, max_concurrency=limit),
        children=(child,),
    )


def stage(name, *steps, rollback=(), on_failure=None, when=None, timeout=None):
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


def rollback_of(owner, steps):
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


def pipeline(*stages):
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


def strategies(on_failure):
    """`"Ignore"`, a FailureAction, or `{errors: action}`."""
    if on_failure is None:
        return ()
    if not isinstance(on_failure, dict):
        on_failure = {"AllErrors": on_failure}
    return tuple(
        FailureStrategy(errors=(error,), action=as_action(action))
        for error, action in on_failure.items()
    )


def as_action(action):
    return FailureAction(type=action) if isinstance(action, str) else action


def retry(count, *, then=None, intervals=(0.0,)):
    return FailureAction(
        type="Retry",
        retry_count=count,
        retry_intervals_s=intervals,
        on_retry_failure=None if then is None else as_action(then),
    )


def run_on(status, condition=None):
    return When(run_on=status, condition=condition)
