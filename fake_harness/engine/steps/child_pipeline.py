"""The Pipeline stage: another pipeline's execution, which the stage waits for."""

import json
from collections.abc import Mapping, Sequence

import yaml

from fake_harness.engine.context import NodeScope, ScopeFacts, Standpoint, resolve
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.index import PlanIndex
from fake_harness.engine.steps.port import EngineStep, Started, StepContext
from fake_harness.errors import HarnessError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.inputs import merge_inputs
from fake_harness.pipeline.plan import JsonObject, Plan
from fake_harness.pipeline.templates import expand_templates
from fake_harness.status import Status
from fake_harness.store import entities, executions, node_executions
from fake_harness.store.entities import EntityKey, EntityKind
from fake_harness.store.executions import NewExecution
from fake_harness.store.templates import template_lookup


def _start(context: StepContext) -> Started:
    key = _pipeline_key(context)
    try:
        plan = _compile(context, key)
    except HarnessError as error:
        raise NodeFailedError(f"Pipeline [{key.identifier}]: {error.message}") from error
    parent = context.execution
    child = executions.create_execution(
        context.connection,
        NewExecution(
            account=parent.account,
            org=key.org,
            project=key.project,
            pipeline=key.identifier,
            plan=plan,
            trigger_type=parent.trigger_type,
            triggered_by=parent.triggered_by,
            trigger=parent.trigger,
            codebase=parent.codebase,
            inputs_yaml=_inputs_yaml(context.params) or "",
            input_set_references=_input_sets(context.params),
            parent_execution_id=parent.id,
            parent_node_execution_id=context.row.id,
        ),
        now=context.now,
        execution_id=node_executions.node_execution_id(context.row.id, "child", "", 0),
    )
    details = {"childPipelineExecution": {"planExecutionId": child.id, "orgId": key.org}}
    details["childPipelineExecution"]["projectId"] = key.project
    return Started(status=Status.ASYNC_WAITING, changes={"step_details": details})


def _pipeline_key(context: StepContext) -> EntityKey:
    params, parent = context.params, context.execution
    return EntityKey(
        kind=EntityKind.PIPELINE,
        account=parent.account,
        org=str(params.get("org") or parent.org),
        project=str(params.get("project") or parent.project),
        identifier=str(params.get("pipeline", "")),
    )


def _compile(context: StepContext, key: EntityKey) -> Plan:
    entity = entities.require(context.connection, key)
    layers = [_input_set(context, key, name) for name in _input_sets(context.params)]
    own = _inputs_yaml(context.params)
    merged = merge_inputs(entity.yaml, [*layers, *([own] if own else [])])
    # Templates are those of the child's own scope, which need not be its parent's.
    lookup = template_lookup(
        context.connection, account=key.account, org=key.org, project=key.project
    )
    return compile_pipeline(expand_templates(merged, lookup))


def _input_sets(params: JsonObject) -> list[str]:
    references = params.get("inputSetReferences")
    return [str(name) for name in references] if isinstance(references, Sequence) else []


def _input_set(context: StepContext, pipeline: EntityKey, name: str) -> str:
    key = EntityKey(
        kind=EntityKind.INPUT_SET,
        account=pipeline.account,
        org=pipeline.org,
        project=pipeline.project,
        parent=pipeline.identifier,
        identifier=name,
    )
    body = entities.require(context.connection, key).body.get("pipeline")
    return yaml.safe_dump({"pipeline": body}, sort_keys=False)


def _inputs_yaml(params: JsonObject) -> str | None:
    inputs = params.get("inputs")
    if not isinstance(inputs, Mapping) or not inputs:
        return None
    # Outputs of earlier steps are marked text; the child's YAML needs plain words.
    plain = json.loads(json.dumps(inputs))
    return yaml.safe_dump({"pipeline": plain}, sort_keys=False)


def _finish(context: StepContext) -> Mapping[str, object]:
    """Evaluate the stage's `outputs` in the scope of the child."""
    child_id = node_executions.node_execution_id(context.row.id, "child", "", 0)
    child = executions.require_execution(context.connection, child_id)
    index = PlanIndex.of(child.plan)
    facts = ScopeFacts(
        connection=context.connection,
        execution=child,
        index=index,
        rows=node_executions.list_nodes(context.connection, child.id),
        public_url=context.scope.facts.public_url,
        now=context.now,
    )
    root = index.plan.root
    scope = NodeScope(facts, Standpoint(node=root, fqn=root.fqn, parent_id=None))
    declared = context.params.get("outputs")
    outputs = {
        str(item["name"]): resolve(item.get("value"), scope)
        for item in (declared if isinstance(declared, Sequence) else ())
    }
    return {"outcomes": {**context.row.outcomes, "output": outputs}}


CHILD_PIPELINE = EngineStep(start=_start, finish=_finish, unrendered=frozenset({"outputs"}))
