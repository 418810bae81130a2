"""Starts executions: pipeline YAML + input sets + inputs → plan → one stored row.

Used by the execute routes, the console and triggers; the engine goes on from the row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from fake_harness.api.templates import expand
from fake_harness.api.wire import SYSTEM_USER, Scope, now
from fake_harness.errors import HarnessError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.inputs import merge_inputs, overlay
from fake_harness.pipeline.plan import JsonObject, NodeKind, Plan
from fake_harness.pipeline.yaml_source import dump_yaml, load_yaml
from fake_harness.store import entities, executions
from fake_harness.store.entities import EntityKind
from fake_harness.store.executions import NewExecution, PlanExecution


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A wish to run a pipeline."""

    scope: Scope
    pipeline: str
    inputs_yaml: str = ""
    input_sets: Sequence[str] = ()
    trigger_type: str = "MANUAL"
    triggered_by: Mapping[str, str] = field(default_factory=lambda: dict(SYSTEM_USER))
    trigger: JsonObject = field(default_factory=dict)
    codebase: JsonObject = field(default_factory=dict)
    stages: Sequence[str] = ()
    """Identifiers of the stages to run; empty means all."""
    notes: str = ""
    rerun_of: str | None = None
    retry_of: str | None = None
    retry_stages: Sequence[str] = ()


def launch(connection: Connection, wish: Launch) -> PlanExecution:
    """Merge, compile and store one execution.

    Raises:
        HarnessError: the pipeline, an input set or a selected stage does not exist.
        YamlInvalidError: the merged pipeline does not compile; carries every problem.
    """
    scope = wish.scope
    entity = entities.require(connection, scope.key(EntityKind.PIPELINE, wish.pipeline))
    layers = [*input_layers(connection, scope, wish.pipeline, wish.input_sets), wish.inputs_yaml]
    merged = merge_inputs(entity.yaml, layers)
    plan = compile_pipeline(expand(connection, scope, merged))
    _check_stages(plan, (*wish.stages, *wish.retry_stages))
    return executions.create_execution(
        connection,
        NewExecution(
            account=scope.account,
            org=entity.key.org,
            project=entity.key.project,
            pipeline=entity.identifier,
            plan=plan,
            trigger_type=wish.trigger_type,
            triggered_by=wish.triggered_by,
            trigger=wish.trigger,
            codebase=wish.codebase,
            inputs_yaml=merged_layers(layers),
            input_set_references=tuple(wish.input_sets),
            stages_executed=tuple(wish.stages),
            notes=wish.notes,
            rerun_of=wish.rerun_of,
            retry_of=wish.retry_of,
            retry_stages=tuple(wish.retry_stages),
        ),
        now=now(),
    )


def input_layers(
    connection: Connection, scope: Scope, pipeline: str, references: Sequence[str]
) -> list[str]:
    """Return the inputs of each named input set as `pipeline: ...`; overlays unfold.

    Raises:
        HarnessError: an input set does not exist.
    """
    layers: list[str] = []
    for reference in references:
        key = scope.key(EntityKind.OVERLAY_INPUT_SET, reference, pipeline)
        found = entities.get(connection, key)
        inner = found.body.get("inputSetReferences") if found else None
        names = inner if isinstance(inner, list) else [reference]
        layers += [_one_layer(connection, scope, pipeline, str(name)) for name in names]
    return layers


def merged_layers(layers: Sequence[str]) -> str:
    """Return several inputs as one document, later ones winning; empty text without any."""
    merged: object = {}
    for text in layers:
        if text.strip():
            data = load_yaml(text).data
            inner = data.get("inputSet", data) if isinstance(data, Mapping) else {}
            inputs = inner.get("pipeline") if isinstance(inner, Mapping) else None
            merged = overlay(merged, inputs or {})
    return dump_yaml({"pipeline": merged}) if merged else ""


def _one_layer(connection: Connection, scope: Scope, pipeline: str, name: str) -> str:
    entity = entities.require(connection, scope.key(EntityKind.INPUT_SET, name, pipeline))
    inputs = load_yaml(entity.yaml).root("inputSet").get("pipeline")
    if not isinstance(inputs, Mapping):
        raise HarnessError("INVALID_REQUEST", f"Input set [{name}] has no pipeline inputs.")
    return dump_yaml({"pipeline": inputs})


def _check_stages(plan: Plan, wanted: Sequence[str]) -> None:
    known = [node.identifier for node in plan.root.walk() if node.kind is NodeKind.STAGE]
    unknown = [stage for stage in wanted if stage not in known]
    if unknown:
        message = f"The pipeline has no stage {unknown}; its stages are {known}."
        raise HarnessError("INVALID_REQUEST", message)
