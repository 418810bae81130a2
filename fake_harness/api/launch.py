"""Starts executions: pipeline YAML + input sets + inputs → plan → one stored row.

Used by the execute routes and by triggers; the engine goes on from the row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml as pyyaml
from sqlalchemy import Connection

from fake_harness.api.wire import SYSTEM_USER, Scope, now
from fake_harness.errors import HarnessError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.inputs import merge_inputs
from fake_harness.pipeline.plan import JsonObject
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
    notes: str = ""
    rerun_of: str | None = None


def launch(connection: Connection, wish: Launch) -> PlanExecution:
    """Merge, compile and store one execution.

    Raises:
        HarnessError: the pipeline or an input set does not exist.
        YamlInvalidError: the merged pipeline does not compile; carries every problem.
    """
    scope = wish.scope
    entity = entities.require(connection, scope.key(EntityKind.PIPELINE, wish.pipeline))
    layers = [*_input_layers(connection, wish), *([wish.inputs_yaml] if wish.inputs_yaml else [])]
    merged = merge_inputs(entity.yaml, layers)
    plan = compile_pipeline(merged)
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
            inputs_yaml=layers[-1] if layers else "",
            input_set_references=tuple(wish.input_sets),
            stages_executed=tuple(wish.stages),
            notes=wish.notes,
            rerun_of=wish.rerun_of,
        ),
        now=now(),
    )


def _input_layers(connection: Connection, wish: Launch) -> list[str]:
    """Return the inputs of each named input set as `pipeline: ...`; overlays unfold."""
    layers: list[str] = []
    for reference in wish.input_sets:
        overlay = entities.get(
            connection, wish.scope.key(EntityKind.OVERLAY_INPUT_SET, reference, wish.pipeline)
        )
        inner = overlay.body.get("inputSetReferences") if overlay else None
        names = inner if isinstance(inner, list) else [reference]
        layers += [_one_layer(connection, wish, str(name)) for name in names]
    return layers


def _one_layer(connection: Connection, wish: Launch, name: str) -> str:
    key = wish.scope.key(EntityKind.INPUT_SET, name, wish.pipeline)
    entity = entities.require(connection, key)
    body = entity.body.get("pipeline")
    if not isinstance(body, Mapping):
        raise HarnessError("INVALID_REQUEST", f"Input set [{name}] has no pipeline inputs.")
    return pyyaml.safe_dump({"pipeline": dict(body)}, sort_keys=False)
