"""Running pipelines and reading executions.

Source: `/pipeline/api/pipeline/execute`, `/pipeline/api/pipelines/execution`, and the v1
execute route.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.graph import ExecutionRows, execution_graph, execution_summary
from fake_harness.api.launch import Launch, launch
from fake_harness.api.wire import (
    SYSTEM_USER,
    Scope,
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
from fake_harness.pipeline.plan import JsonObject, NodeKind
from fake_harness.status import BROKE, POSITIVE, Status
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
_RETRYABLE = BROKE | {Status.ABORTED}

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
    inputs = request.get_data(as_text=True)
    with backend().write() as connection:
        first = _require(connection, origin)
        if first.pipeline != identifier:
            message = f"Execution [{origin}] is of pipeline [{first.pipeline}]."
            raise HarnessError("INVALID_REQUEST", message)
        return ok(_started(launch(connection, again(first, inputs_yaml=inputs, rerun_of=origin))))


@blueprint.post("/pipeline/execute/retry/<identifier>")
def retry(identifier: str) -> ResponseReturnValue:
    """Run a failed execution again from chosen stages; those before them are kept.

    Source: `/pipeline/api/pipeline/execute/retry`; `runAllStages` false runs only those of
    the named parallel stages that failed.
    """
    origin = request.args.get("planExecutionId", "")
    stages = [stage for value in request.args.getlist("retryStages") for stage in value.split(",")]
    if not stages:
        raise HarnessError("INVALID_REQUEST", "retryStages: must not be empty")
    inputs = request.get_data(as_text=True)
    with backend().write() as connection:
        first = _require(connection, origin)
        if first.pipeline != identifier or first.status not in _RETRYABLE:
            message = f"Execution [{origin}] is no failed execution of pipeline [{identifier}]."
            raise HarnessError("INVALID_REQUEST", message)
        if request.args.get("runAllStages") == "false":
            stages = _failed_of(connection, first, stages)
        wish = again(first, inputs_yaml=inputs, retry_of=origin, retry_stages=stages)
        return ok(_started(launch(connection, wish)))


def again(
    first: PlanExecution,
    *,
    inputs_yaml: str = "",
    rerun_of: str | None = None,
    retry_of: str | None = None,
    retry_stages: Sequence[str] = (),
) -> Launch:
    """Return the wish to run an execution's pipeline again, with its inputs unless others."""
    return Launch(
        scope=Scope(account=first.account, org=first.org, project=first.project),
        pipeline=first.pipeline,
        inputs_yaml=inputs_yaml or first.inputs_yaml,
        trigger=first.trigger,
        codebase=first.codebase,
        stages=first.stages_executed,
        rerun_of=rerun_of,
        retry_of=retry_of,
        retry_stages=retry_stages,
    )


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
    query = _query()
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
        _require(connection, execution_id)
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
        _require(connection, node.plan_execution_id)
        graph = execution_graph(load_rows(connection, node.plan_execution_id))
    nodes = graph["nodeMap"]
    assert isinstance(nodes, dict)  # noqa: S101  (made by execution_graph)
    return ok(nodes.get(identifier))


@blueprint.get("/pipelines/execution/<execution_id>/inputset")
@blueprint.get("/pipelines/execution/<execution_id>/inputsetV2")
def get_inputs(execution_id: str) -> ResponseReturnValue:
    """Read the inputs that an execution was started with."""
    with backend().read() as connection:
        execution = _require(connection, execution_id)
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
        return _started(launch(connection, wish))


def _started(execution: PlanExecution) -> dict[str, object]:
    return {"planExecution": _plan_execution(execution), "gitDetails": None}


def _require(connection: Connection, execution_id: str) -> PlanExecution:
    """Return an execution of the request's scope; those of other projects are not found."""
    execution = executions.require_execution(connection, execution_id)
    scope = request_scope()
    elsewhere = (scope.org and scope.org != execution.org) or (
        scope.project and scope.project != execution.project
    )
    if elsewhere:
        message = f"Plan Execution with id [{execution_id}] not found"
        raise HarnessError("RESOURCE_NOT_FOUND_EXCEPTION", message, status=404)
    return execution


def _failed_of(
    connection: Connection, execution: PlanExecution, stages: Sequence[str]
) -> list[str]:
    rows = node_executions.list_nodes(connection, execution.id)
    good = {n.identifier for n in rows if n.kind is NodeKind.STAGE and n.status in POSITIVE}
    return [stage for stage in stages if stage not in good] or list(stages)


def _query() -> ExecutionQuery:
    """Read the filter of a list. Source: `PipelineExecutionFilterProperties`."""
    scope = request_scope()
    given = request.get_json(force=True, silent=True)
    body: JsonObject = given if isinstance(given, Mapping) else {}
    names = body.get("status")
    try:
        statuses = tuple(map(Status.from_wire, names if isinstance(names, list) else ()))
    except ValueError as error:
        raise HarnessError("INVALID_REQUEST", f"status: {error}") from error
    between = body.get("timeRange")
    times: JsonObject = between if isinstance(between, Mapping) else {}
    kinds = body.get("triggerTypes")
    return ExecutionQuery(
        account=scope.account,
        org=scope.org or None,
        project=scope.project or None,
        pipeline=request.args.get("pipelineIdentifier") or None,
        statuses=statuses,
        search=request.args.get("searchTerm", "") or text(body, "pipelineName", ""),
        trigger_types=tuple(map(str, kinds)) if isinstance(kinds, list) else (),
        created_from=_moment(times.get("startTime")),
        created_until=_moment(times.get("endTime")),
    )


def _moment(value: object) -> datetime | None:
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) else None


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
