"""Find what only the whole pipeline tells: references between nodes and to entities.

The shape of each node is `schema.py`'s affair. Nothing here runs or resolves anything.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fake_harness.errors import SchemaProblem
from fake_harness.pipeline.expression_lint import check_expressions
from fake_harness.pipeline.fields import is_expression
from fake_harness.pipeline.input_values import is_input, parse_input
from fake_harness.pipeline.plan import FailureAction, FailureStrategy
from fake_harness.pipeline.problems import Report, nearest
from fake_harness.pipeline.schema import read_pipeline
from fake_harness.pipeline.spec import (
    ParallelSteps,
    PipelineSpec,
    StageSpec,
    StepGroupSpec,
    StepItem,
)
from fake_harness.pipeline.yaml_source import Document, join

_LITERAL_SECRET = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bghp_[A-Za-z0-9]{36}\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEntities:
    """What exists, each by its reference as pipelines write it (`x`, `org.x`, `account.x`).

    None means "not known": references of that kind are not checked.
    """

    services: frozenset[str] | None = None
    environments: frozenset[str] | None = None
    infrastructures: Mapping[str, frozenset[str]] | None = None
    """By environment reference."""
    connectors: frozenset[str] | None = None
    secrets: frozenset[str] | None = None
    pipelines: frozenset[str] | None = None
    """`org/project/identifier`."""


def lint_pipeline(document: Document, *, known: KnownEntities | None = None) -> list[SchemaProblem]:
    """Return every problem of a pipeline as it is stored; runtime inputs may be open.

    Raises:
        YamlInvalidError: the document has no `pipeline:` at all.
    """
    report = Report(document)
    spec = read_pipeline(document, report)
    lint_spec(spec, document, report, known=known)
    return report.problems


def lint_spec(
    spec: PipelineSpec, document: Document, report: Report, *, known: KnownEntities | None
) -> None:
    """Add to `report` what `spec` gets wrong as a whole."""
    _check_inputs(document.data, "", report)
    for stage in spec.all_stages():
        report.fqn = stage.fqn
        _check_uses(stage, spec, report)
        _check_group_rollback(stage.failure_strategies, stage.path, report, in_group=False)
        _check_step_rollbacks(stage.steps, report, in_group=False)
        _check_step_rollbacks(stage.rollback_steps, report, in_group=False)
        if stage.type == "CI":
            _check_clone(stage, spec, report)
        if stage.type == "Deployment":
            _check_deployment_loop(stage, report)
    report.fqn = "pipeline"
    check_expressions(spec, document, report, secrets=known.secrets if known else None)
    if known is not None:
        _check_entities(spec, document, known, report)


def _check_inputs(value: object, path: str, report: Report) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_inputs(item, join(path, str(key)), report)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_inputs(item, f"{path}[{index}]", report)
    elif isinstance(value, str) and _LITERAL_SECRET.search(value):
        report.warning(
            path,
            "this looks like a secret in plain text",
            hint='Store it as a secret and write <+secrets.getValue("name")>.',
        )
    elif is_input(value):
        try:
            spec = parse_input(str(value))
        except ValueError as error:
            report.error(path, str(error))
            return
        if spec.at_execution:
            report.error(path, "inputs at execution time are not supported by the sandbox")


def _check_uses(stage: StageSpec, spec: PipelineSpec, report: Report) -> None:
    """Check that `useFromStage` names a stage before this one."""
    before = []
    for other in spec.all_stages():
        if other.identifier == stage.identifier:
            break
        before.append(other.identifier)
    for path, target in _use_from_stage(stage.params, join(stage.path, "spec")):
        if target not in before and not is_expression(target):
            near = nearest(target, before)
            hint = f"Did you mean {near!r}?" if near else f"Stages before it: {', '.join(before)}."
            report.error(path, f"there is no stage {target!r} before this one", hint=hint)


def _use_from_stage(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            at = join(path, str(key))
            if key == "useFromStage":
                target = item.get("stage") if isinstance(item, Mapping) else item
                yield at, str(target)
            else:
                yield from _use_from_stage(item, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _use_from_stage(item, f"{path}[{index}]")


def _check_step_rollbacks(items: tuple[StepItem, ...], report: Report, *, in_group: bool) -> None:
    for item in items:
        if isinstance(item, ParallelSteps):
            _check_step_rollbacks(item.items, report, in_group=in_group)
            continue
        inside = in_group or isinstance(item, StepGroupSpec)
        _check_group_rollback(item.failure_strategies, item.path, report, in_group=inside)
        if isinstance(item, StepGroupSpec):
            _check_step_rollbacks(item.steps, report, in_group=True)
            _check_step_rollbacks(item.rollback_steps, report, in_group=True)


def _check_group_rollback(
    strategies: tuple[FailureStrategy, ...], path: str, report: Report, *, in_group: bool
) -> None:
    for index, strategy in enumerate(strategies):
        if not in_group and "StepGroupRollback" in _actions(strategy.action):
            at = f"{path}.failureStrategies[{index}]"
            report.error(at, "StepGroupRollback is only possible inside a step group")


def _actions(action: FailureAction | None) -> Iterator[str]:
    while action is not None:
        yield action.type
        action = action.on_retry_failure or action.on_timeout


def _check_clone(stage: StageSpec, spec: PipelineSpec, report: Report) -> None:
    wants = str(stage.params.get("cloneCodebase", "false")).lower() == "true"
    if wants and spec.codebase is None:
        report.error(
            join(stage.path, "spec.cloneCodebase"),
            "cloneCodebase needs `properties.ci.codebase` in the pipeline",
        )


def _check_deployment_loop(stage: StageSpec, report: Report) -> None:
    if stage.strategy is None:
        return
    for key in ("services", "environments"):
        if key in stage.params:
            message = f"`{key}` together with `strategy` is not supported by the sandbox"
            report.error(join(stage.path, f"spec.{key}"), message)


_REFERENCE_KEYS = frozenset({"connectorRef", "harnessImageConnectorRef"})


def _check_entities(
    spec: PipelineSpec, document: Document, known: KnownEntities, report: Report
) -> None:
    for stage in spec.all_stages():
        report.fqn = stage.fqn
        at = join(stage.path, "spec")
        if stage.type == "Deployment":
            _check_targets(stage.params, at, known, report)
        if stage.type == "Pipeline":
            parts = [str(stage.params.get(key)) for key in ("org", "project", "pipeline")]
            _check_reference(
                "/".join(parts), "pipeline", known.pipelines, join(at, "pipeline"), report
            )
    report.fqn = "pipeline"
    for path, reference in _connector_refs(document.data, ""):
        _check_reference(reference, "connector", known.connectors, path, report)


def _check_targets(
    value: object, path: str, known: KnownEntities, report: Report, environment: str = ""
) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_targets(item, f"{path}[{index}]", known, report, environment)
        return
    if not isinstance(value, Mapping):
        return
    environment = str(value.get("environmentRef", environment))
    for key, item in value.items():
        at = join(path, str(key))
        if key == "serviceRef":
            _check_reference(item, "service", known.services, at, report)
        elif key == "environmentRef":
            _check_reference(item, "environment", known.environments, at, report)
        elif key in {"infrastructureDefinitions", "infrastructureDefinition"}:
            _check_infrastructures(item, at, environment, known, report)
        elif key not in {"serviceInputs", "environmentInputs", "serviceOverrideInputs"}:
            _check_targets(item, at, known, report, environment)


def _check_infrastructures(
    value: object, path: str, environment: str, known: KnownEntities, report: Report
) -> None:
    if known.infrastructures is None or is_expression(environment):
        return
    there = known.infrastructures.get(environment, frozenset())
    many = isinstance(value, list)
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(item, Mapping) and item.get("identifier") is not None:
            at = join(f"{path}[{index}]" if many else path, "identifier")
            what = f"infrastructure of environment {environment!r}:"
            _check_reference(item["identifier"], what, there, at, report)


def _connector_refs(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            at = join(path, str(key))
            if key in _REFERENCE_KEYS and isinstance(item, str):
                yield at, item
            else:
                yield from _connector_refs(item, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _connector_refs(item, f"{path}[{index}]")


def _check_reference(
    reference: object, what: str, known: frozenset[str] | None, path: str, report: Report
) -> None:
    if known is None or reference in (None, "") or is_expression(reference):
        return
    if str(reference) not in known:
        near = nearest(str(reference), known)
        hint = f"Did you mean {near!r}?" if near else "Create it, or mend the reference."
        report.error(path, f"there is no {what} {reference!r}", hint=hint)
