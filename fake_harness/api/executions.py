"""Running pipelines and reading executions.

Source: `/pipeline/api/pipeline/execute`, `/pipeline/api/pipelines/execution`, and the v1
execute route.
"""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.graph import ExecutionRows, execution_graph, execution_summary
from fake_harness.api.launch import Launch, launch
from fake_harness.api.wire import (
    SYSTEM_USER,
    backend,
    json_body,
    millis,
    now,
    ok,
    page_number,
    page_size,
    path_scope,
    request_scope,
    spring_page,
    text,
)
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.status import Status
from fake_harness.store import (
    delegate_tasks,
    delegates,
    executions,
    interrupts,
    logs,
    node_executions,
)
from fake_harness.store.executions import ExecutionQuery, PlanExecution
from fake_harness.store.interrupts import Interrupt, InterruptType

blueprint = Blueprint("executions", __name__, url_prefix="/pipeline/api")
v1 = Blueprint("executions_v1", __name__, url_prefix="/v1/orgs/<org>/projects/<project>")


@blueprint.post("/pipeline/execute/<identifier>")
def execute(identifier: str) -> ResponseReturnValue:
    """Run a pipeline with the runtime inputs of the YAML body."""
    sets = [s for s in request.args.get("inputSetIdentifiers", "").split(",") if s]
    wish = Launch(
        scope=request_scope(),
        pipeline=identifier,
        inputs_yaml=request.get_data(as_text=True),
        input_sets=sets,
        notes=request.args.get("notesForPipelineExecution", ""),
    )
    return ok(_run(wish))


@blueprint.post("/pipeline/execute/<identifier>/inputSetList")
def execute_with_input_sets(identifier: str) -> ResponseReturnValue:
    """Run a pipeline with input sets named in a JSON body."""
    body = json_body()
    references = body.get("inputSetReferences")
    last = body.get("lastYamlToMerge")
    wish = Launch(
        scope=request_scope(),
        pipeline=identifier,
        inputs_yaml=str(last) if last else "",
        input_sets=[str(r) for r in references] if isinstance(references, list) else [],
    )
    return ok(_run(wish))


@blueprint.post("/pipeline/execute/<identifier>/stages")
def execute_stages(identifier: str) -> ResponseReturnValue:
    """Run chosen stages of a pipeline."""
    body = json_body()
    stages = body.get("stageIdentifiers")
    wish = Launch(
        scope=request_scope(),
        pipeline=identifier,
        inputs_yaml=text(body, "runtimeInputYaml", ""),
        stages=[str(s) for s in stages] if isinstance(stages, list) else [],
    )
    return ok(_run(wish))


@blueprint.post("/pipeline/execute/rerun/<origin>/<identifier>")
def rerun(origin: str, identifier: str) -> ResponseReturnValue:
    """Run again with the inputs of an earlier execution, or those of the body."""
    with backend().read() as connection:
        first = executions.require_execution(connection, origin)
    wish = Launch(
        scope=request_scope(),
        pipeline=identifier,
        inputs_yaml=request.get_data(as_text=True) or first.inputs_yaml,
        input_sets=first.input_set_references,
        codebase=first.codebase,
        rerun_of=origin,
    )
    return ok(_run(wish))


@v1.post("/pipelines/<identifier>/execute")
def execute_v1(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Run a pipeline (v1 body)."""
    wish = Launch(
        scope=path_scope(org, project),
        pipeline=identifier,
        inputs_yaml=text(json_body(), "inputs_yaml", ""),
    )
    planned = _run(wish)["planExecution"]
    assert isinstance(planned, dict)  # noqa: S101  (made by _run)
    return jsonify(execution_details={"execution_id": planned["uuid"], "status": "QUEUED"})


@blueprint.put("/pipeline/execute/interrupt/<execution_id>")
@blueprint.put("/pipeline/execute/interrupt/<execution_id>/<node_id>")
@blueprint.put("/pipeline/execute/manualIntervention/interrupt/<execution_id>/<node_id>")
def interrupt(execution_id: str, node_id: str | None = None) -> ResponseReturnValue:
    """Abort, retry, mark or ignore: an execution, or one of its nodes."""
    row = add_interrupt(execution_id, request.args.get("interruptType", ""), node_id)
    return ok({"id": row.id, "type": row.type.value, "planExecutionId": execution_id})


def add_interrupt(execution_id: str, name: str, node_id: str | None) -> Interrupt:
    """Store a wish about a running execution, or about one of its nodes.

    Raises:
        HarnessError: the type is unknown, the execution has ended, or the node is not its own.
    """
    try:
        kind = InterruptType(name)
    except ValueError as error:
        known = ", ".join(InterruptType)
        message = f"interruptType [{name}] is not one of {known}"
        raise HarnessError("INVALID_REQUEST", message) from error
    with backend().write() as connection:
        execution = executions.require_execution(connection, execution_id)
        if execution.status.is_final:
            message = f"Execution [{execution_id}] has already ended: {execution.status.wire}"
            raise HarnessError("INVALID_REQUEST", message)
        if node_id is not None:
            node = node_executions.require_node(connection, node_id)
            if node.plan_execution_id != execution_id:
                message = f"Node [{node_id}] is not one of execution [{execution_id}]."
                raise HarnessError("INVALID_REQUEST", message)
        return interrupts.add(
            connection,
            execution_id,
            kind,
            now=now(),
            node_execution_id=node_id,
            created_by=SYSTEM_USER,
        )


@blueprint.post("/pipelines/execution/summary")
def list_executions() -> ResponseReturnValue:
    """List executions of a project or a pipeline, newest first."""
    scope = request_scope()
    body = request.get_json(force=True, silent=True) or {}
    query = ExecutionQuery(
        account=scope.account,
        org=scope.org or None,
        project=scope.project or None,
        pipeline=request.args.get("pipelineIdentifier") or None,
        statuses=tuple(Status.from_wire(str(s)) for s in body.get("status") or ()),
        search=request.args.get("searchTerm", ""),
    )
    page, size = page_number(), page_size(default=20)
    with backend().read() as connection:
        found = executions.list_executions(connection, query, page=page, size=size)
        items = [_summary(connection, item) for item in found.items]
    return ok(spring_page(items, found.total, page=page, size=size))


@blueprint.get("/pipelines/execution/v2/<execution_id>")
@blueprint.get("/pipelines/execution/<execution_id>")
def get_execution(execution_id: str) -> ResponseReturnValue:
    """Read an execution with its graph."""
    with backend().read() as connection:
        rows = load_rows(connection, execution_id)
    return ok(
        {
            "pipelineExecutionSummary": execution_summary(rows.execution, rows.plan, rows.nodes),
            "executionGraph": execution_graph(rows),
            "childGraph": None,
            "rollbackGraph": None,
        }
    )


@blueprint.get("/pipelines/getExecutionNode")
def get_node() -> ResponseReturnValue:
    """Read one node of an execution."""
    identifier = request.args.get("nodeExecutionId", "")
    with backend().read() as connection:
        node = node_executions.require_node(connection, identifier)
        graph = execution_graph(load_rows(connection, node.plan_execution_id))
    nodes = graph["nodeMap"]
    assert isinstance(nodes, dict)  # noqa: S101  (made by execution_graph)
    return ok(nodes.get(identifier))


@blueprint.get("/pipelines/execution/<execution_id>/inputset")
@blueprint.get("/pipelines/execution/<execution_id>/inputsetV2")
def get_inputs(execution_id: str) -> ResponseReturnValue:
    """Read the inputs that an execution was started with."""
    with backend().read() as connection:
        execution = executions.require_execution(connection, execution_id)
    return ok({"inputSetYaml": execution.inputs_yaml, "inputSetTemplateYaml": None})


def load_rows(connection: Connection, execution_id: str) -> ExecutionRows:
    """Read all that is stored of one execution."""
    execution = executions.require_execution(connection, execution_id)
    nodes = node_executions.list_nodes(connection, execution_id)
    bases = [node.log_base_key for node in nodes if node.log_base_key]
    prefix = _common_prefix(bases)
    streams = logs.list_streams(connection, execution.account, prefix=prefix) if prefix else ()
    return ExecutionRows(
        execution=execution,
        plan=execution.plan,
        nodes=nodes,
        tasks=delegate_tasks.list_tasks(connection, execution_id),
        log_keys=tuple(stream.key for stream in streams),
        delegate_names={
            d.id: d.name for d in delegates.list_delegates(connection, execution.account)
        },
    )


def _run(wish: Launch) -> dict[str, object]:
    with backend().write() as connection:
        execution = launch(connection, wish)
    return {"planExecution": _plan_execution(execution), "gitDetails": None}


def _plan_execution(execution: PlanExecution) -> JsonObject:
    return {
        "uuid": execution.id,
        "status": "RUNNING",
        "startTs": millis(execution.created_at),
        "createdAt": millis(execution.created_at),
        "metadata": {
            "pipelineIdentifier": execution.pipeline,
            "runSequence": execution.run_sequence,
            "executionUuid": execution.id,
            "triggerInfo": {
                "triggerType": execution.trigger_type,
                "triggeredBy": dict(execution.triggered_by),
            },
        },
    }


def _summary(connection: Connection, execution: PlanExecution) -> JsonObject:
    nodes = node_executions.list_nodes(connection, execution.id)
    return execution_summary(execution, execution.plan, nodes)


def _common_prefix(keys: list[str]) -> str:
    if not keys:
        return ""
    first, last = min(keys), max(keys)
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    return first[:length]
