"""Stored rows → `executionGraph` and `pipelineExecutionSummary`; pure.

Source: what Harness's command line, console and MCP server parse (facts: step types that
clients hide, adjacency by `children` and `nextIds`, logs found through `executableResponses`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fake_harness.api.wire import millis
from fake_harness.pipeline.plan import JsonObject, NodeKind, Plan, PlanNode
from fake_harness.status import Status
from fake_harness.store.delegate_tasks import DelegateTask
from fake_harness.store.executions import PlanExecution
from fake_harness.store.node_executions import NodeExecution, latest_attempts

STAGE_STEP_TYPES = {
    "CI": "IntegrationStageStepPMS",
    "Deployment": "DEPLOYMENT_STAGE_STEP",
    "Approval": "APPROVAL_STAGE",
    "Custom": "CUSTOM_STAGE",
    "Pipeline": "PIPELINE_STAGE",
}
_KIND_STEP_TYPES = {
    NodeKind.PIPELINE: "PIPELINE_SECTION",
    NodeKind.PARALLEL: "NG_FORK",
    NodeKind.STRATEGY: "STRATEGY",
    NodeKind.EXECUTION: "NG_EXECUTION",
    NodeKind.ROLLBACK: "ROLLBACK_OPTIONAL_CHILD_CHAIN",
    NodeKind.STEP_GROUP: "STEP_GROUP",
}
_SIDE_BY_SIDE = frozenset({NodeKind.PARALLEL, NodeKind.STRATEGY})
_MODULES = {"CI": "ci", "Deployment": "cd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRows:
    """Everything that is stored of one execution."""

    execution: PlanExecution
    plan: Plan
    nodes: tuple[NodeExecution, ...]
    tasks: tuple[DelegateTask, ...]
    log_keys: tuple[str, ...]
    delegate_names: Mapping[str, str]


def execution_graph(rows: ExecutionRows) -> JsonObject:
    """Build the executionGraph of the nodes that have started."""
    latest = latest_attempts(rows.nodes)
    execution = rows.execution
    root = next((n.id for n in latest if n.kind is NodeKind.PIPELINE), None)
    return {
        "rootNodeId": root,
        "nodeMap": {node.id: _node(node, rows) for node in latest},
        "nodeAdjacencyListMap": _adjacency(latest),
        "executionMetadata": {
            "accountId": execution.account,
            "orgIdentifier": execution.org,
            "projectIdentifier": execution.project,
            "pipelineIdentifier": execution.pipeline,
            "planExecutionId": execution.id,
        },
    }


def execution_summary(
    execution: PlanExecution, plan: Plan, nodes: Sequence[NodeExecution]
) -> JsonObject:
    """Build the pipelineExecutionSummary with the layout of all stages, started or not."""
    layout, starting = _layout(plan.root, latest_attempts(nodes))
    stages = [entry for entry in layout.values() if entry["nodeType"] != "parallel"]
    statuses = [str(entry["status"]) for entry in stages]
    return {
        "pipelineIdentifier": execution.pipeline,
        "orgIdentifier": execution.org,
        "projectIdentifier": execution.project,
        "planExecutionId": execution.id,
        "name": execution.name,
        "yamlVersion": "0",
        "status": execution.status.wire,
        "tags": [{"key": key, "value": value} for key, value in execution.tags.items()],
        "executionTriggerInfo": {
            "triggerType": execution.trigger_type,
            "triggeredBy": {
                "uuid": execution.triggered_by.get("uuid", ""),
                "identifier": execution.triggered_by.get("identifier", ""),
                "extraInfo": dict(execution.triggered_by),
            },
            "isRerun": execution.rerun_of is not None,
        },
        "failureInfo": _failure(execution.failure),
        "executionErrorInfo": {"message": (execution.failure or {}).get("message", "")},
        "moduleInfo": {module: _module_info(module, execution) for module in _modules(plan)},
        "layoutNodeMap": layout,
        "modules": list(_modules(plan)),
        "startingNodeId": starting,
        "startTs": millis(execution.started_at or execution.created_at),
        "endTs": millis(execution.ended_at),
        "createdAt": millis(execution.created_at),
        "canRetry": execution.status in {Status.FAILED, Status.ABORTED, Status.EXPIRED},
        "showRetryHistory": execution.retry_of is not None,
        "runSequence": execution.run_sequence,
        "successfulStagesCount": statuses.count("Success"),
        "runningStagesCount": statuses.count("Running"),
        "failedStagesCount": statuses.count("Failed"),
        "totalStagesCount": len(stages),
        "stagesExecution": bool(execution.stages_executed),
        "stagesExecuted": list(execution.stages_executed),
        "allowStageExecutions": False,
        "executionMode": "NORMAL",
        "notesExistForPlanExecutionId": bool(execution.notes),
        "parentStageInfo": (
            {"hasParentPipeline": True, "executionId": execution.parent_execution_id}
            if execution.parent_execution_id
            else None
        ),
    }


def step_type(node: NodeExecution) -> str:
    """Return the wire's `stepType` of a node."""
    if node.kind is NodeKind.STAGE:
        return STAGE_STEP_TYPES.get(node.type, node.type)
    return _KIND_STEP_TYPES.get(node.kind, node.type)


def log_keys_of(node: NodeExecution, keys: Iterable[str]) -> tuple[str, ...]:
    """Return the logs of a step: its own, or one for each command unit, in order."""
    base = node.log_base_key
    if not base:
        return ()
    return tuple(key for key in keys if key == base or key.startswith(f"{base}-commandUnit:"))


def _node(node: NodeExecution, rows: ExecutionRows) -> JsonObject:
    tasks = [task for task in rows.tasks if task.node_execution_id == node.id]
    return {
        "uuid": node.id,
        "setupId": node.plan_node_id,
        "name": node.name,
        "identifier": node.identifier,
        "baseFqn": node.fqn,
        "outcomes": dict(node.outcomes),
        "stepParameters": dict(node.resolved_params),
        "startTs": millis(node.started_at or node.created_at),
        "endTs": millis(node.ended_at),
        "stepType": step_type(node),
        "status": node.status.wire,
        "failureInfo": _failure(node.failure),
        "skipInfo": None,
        "nodeRunInfo": node.run_info,
        "executableResponses": _responses(node, tasks, rows.log_keys),
        "unitProgresses": _unit_progresses(node, tasks),
        "progressData": None,
        "delegateInfoList": [
            {
                "id": task.delegate_id,
                "name": rows.delegate_names.get(task.delegate_id, ""),
                "taskId": task.id,
                "taskName": task.type,
            }
            for task in tasks
            if task.delegate_id
        ],
        "interruptHistories": [],
        "stepDetails": dict(node.step_details),
        "strategyMetadata": node.strategy,
        "executionInputConfigured": False,
        "logBaseKey": node.log_base_key,
        "retryIds": [
            other.id
            for other in rows.nodes
            if (other.plan_node_id, other.instance) == (node.plan_node_id, node.instance)
            and other.attempt < node.attempt
        ],
    }


def _responses(
    node: NodeExecution, tasks: Sequence[DelegateTask], keys: Iterable[str]
) -> list[JsonObject]:
    if node.kind is not NodeKind.STEP:
        return []
    found = log_keys_of(node, keys) or ((node.log_base_key,) if tasks else ())
    units = [key.rpartition("-commandUnit:")[2] for key in found if "-commandUnit:" in key]
    common = {"logKeys": list(found), "units": units}
    if tasks:
        task = tasks[-1]
        return [{"task": {"taskId": task.id, "taskName": task.type, **common}}]
    return [{"async": {"callbackIds": [node.id], **common}}]


def _unit_progresses(node: NodeExecution, tasks: Sequence[DelegateTask]) -> list[JsonObject]:
    if node.unit_progresses:
        return list(node.unit_progresses)
    live = tasks[-1].progress.get("unitProgresses") if tasks else None
    return list(live) if isinstance(live, Sequence) else []


def _adjacency(nodes: Sequence[NodeExecution]) -> JsonObject:
    below: dict[str | None, list[NodeExecution]] = {}
    for node in nodes:
        below.setdefault(node.parent_id, []).append(node)
    links: dict[str, dict[str, list[str]]] = {
        node.id: {"children": [], "nextIds": []} for node in nodes
    }
    for node in nodes:
        children = below.get(node.id, [])
        if node.kind in _SIDE_BY_SIDE:
            links[node.id]["children"] = [child.id for child in children]
            continue
        links[node.id]["children"] = [child.id for child in children[:1]]
        for child, following in pairwise(children):
            links[child.id]["nextIds"] = [following.id]
    return links


def _layout(
    root: PlanNode, nodes: Sequence[NodeExecution]
) -> tuple[dict[str, JsonObject], str | None]:
    started: dict[str, list[NodeExecution]] = {}
    for node in nodes:
        started.setdefault(node.plan_node_id, []).append(node)
    layout: dict[str, JsonObject] = {}
    previous: str | None = None
    starting: str | None = None
    for child in root.children:
        for entry in _entries(child, started):
            layout[str(entry["nodeUuid"])] = entry
        if previous is not None:
            edges = layout[previous]["edgeLayoutList"]
            assert isinstance(edges, dict)  # noqa: S101  (made by _entry below)
            edges["nextIds"] = [child.id]
        previous = child.id
        starting = starting or child.id
    return layout, starting


def _entries(node: PlanNode, started: Mapping[str, list[NodeExecution]]) -> list[JsonObject]:
    if node.kind is NodeKind.PARALLEL:
        below = [entry for child in node.children for entry in _entries(child, started)]
        own = {
            **_entry(node, started, "parallel"),
            "edgeLayoutList": {
                "currentNodeChildren": [child.id for child in node.children],
                "nextIds": [],
            },
        }
        return [own, *below]
    if node.kind is NodeKind.STRATEGY:
        inner = node.children[0]
        return [{**_entry(inner, started, inner.type), "nodeUuid": node.id}]
    return [_entry(node, started, node.type)]


def _entry(
    node: PlanNode, started: Mapping[str, list[NodeExecution]], node_type: str
) -> JsonObject:
    runs = started.get(node.id, [])
    run = runs[-1] if runs else None
    return {
        "nodeType": node_type,
        "nodeGroup": "STAGE",
        "nodeIdentifier": node.identifier,
        "name": node.name,
        "nodeUuid": node.id,
        "status": run.status.wire if run else Status.NOT_STARTED.wire,
        "module": _MODULES.get(node.type, "pms"),
        "moduleInfo": {},
        "startTs": millis(run.started_at or run.created_at) if run else None,
        "endTs": millis(run.ended_at) if run else None,
        "edgeLayoutList": {"currentNodeChildren": [], "nextIds": []},
        "nodeRunInfo": run.run_info if run else None,
        "failureInfo": _failure(run.failure) if run else _failure(None),
        "nodeExecutionId": run.id if run else None,
        "strategyMetadata": run.strategy if run else None,
        "skipInfo": None,
    }


def _failure(failure: JsonObject | None) -> JsonObject:
    types = (failure or {}).get("failureTypes")
    return {
        "message": (failure or {}).get("message", ""),
        "failureTypeList": list(types) if isinstance(types, Sequence) else [],
        "responseMessages": [],
    }


def _module_info(module: str, execution: PlanExecution) -> JsonObject:
    commit = execution.codebase.get("commitSha")
    if module != "ci" or not commit:
        return {}
    branch = {"name": execution.codebase.get("branch"), "commits": [{"id": commit}]}
    return {
        "ciExecutionInfoDTO": {"event": execution.codebase.get("type"), "branch": branch},
        "branch": execution.codebase.get("branch"),
    }


def _modules(plan: Plan) -> tuple[str, ...]:
    kinds = {node.type for node in plan.root.walk() if node.kind is NodeKind.STAGE}
    return tuple(module for kind, module in _MODULES.items() if kind in kinds) or ("pms",)
