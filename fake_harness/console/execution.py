"""What the page of one execution shows; reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from fake_harness.api.executions import load_rows
from fake_harness.api.graph import ExecutionRows, log_keys_of
from fake_harness.console.lists import ExecutionRow, execution_row
from fake_harness.console.queries import StageDot, stage_strips
from fake_harness.console.text import LogLine, log_line
from fake_harness.console.tree import Forest, TreeNode, chosen_stage, chosen_step, stage_of
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.yaml_source import dump_yaml
from fake_harness.status import BROKE, Status
from fake_harness.store import approvals, executions, interrupts, logs
from fake_harness.store.approvals import Approval, ApprovalStatus
from fake_harness.store.interrupts import Interrupt
from fake_harness.store.node_executions import NodeExecution

LINES_AT_FIRST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLog:
    """The log of one command unit of a step; `lines` begin at `offset`."""

    unit: str
    key: str
    status: str
    offset: int
    next_offset: int
    closed: bool
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a step."""

    id: str
    attempt: int
    status: Status
    started_at: datetime
    ended_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPanel:
    """Everything about one step."""

    node: NodeExecution
    params_yaml: str
    outcomes_yaml: str
    delegate: str
    task_id: str
    attempts: tuple[Attempt, ...]
    logs: tuple[UnitLog, ...]
    children: tuple[ExecutionRow, ...]
    """Executions that a Pipeline stage started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverInput:
    """A field of the approval form; `choices` is empty for free text."""

    name: str
    default: str
    required: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCard:
    """An approval as people see it."""

    approval: Approval
    waiting: bool
    minimum: int
    approved: int
    inputs: tuple[ApproverInput, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPage:
    """The page of one execution."""

    execution: ExecutionRow
    parent: ExecutionRow | None
    children: tuple[ExecutionRow, ...]
    columns: tuple[tuple[TreeNode, ...], ...]
    stage: TreeNode | None
    selected: TreeNode | None
    step: StepPanel | None
    approvals: tuple[ApprovalCard, ...]
    interventions: tuple[TreeNode, ...]
    interrupts: tuple[Interrupt, ...]
    notes: str
    inputs_yaml: str
    stages_executed: tuple[str, ...]
    rerun_of: str | None
    retry_stages: tuple[TreeNode, ...]
    """The stages that a retry begins with; none when there is nothing to retry."""


def execution_page(
    connection: Connection, execution_id: str, *, stage: str, node: str
) -> ExecutionPage:
    """Read the page; without a choice it looks where something happens."""
    rows = load_rows(connection, execution_id)
    columns = Forest(rows.plan, rows.nodes).columns()
    chosen = (stage_of(columns, node) if node else None) or chosen_stage(columns, stage)
    selected = chosen_step(chosen, node)
    execution = rows.execution
    family = executions.list_children(connection, execution_id)
    return ExecutionPage(
        execution=_row(connection, rows),
        parent=_parent(connection, execution.parent_execution_id),
        children=tuple(_with_strip(connection, child.id) for child in family),
        columns=columns,
        stage=chosen,
        selected=selected,
        step=_panel(connection, rows, selected, node),
        approvals=tuple(_card(a) for a in approvals.list_approvals(connection, execution_id)),
        interventions=tuple(
            item
            for column in columns
            for top in column
            for item in top.walk()
            if item.status is Status.INTERVENTION_WAITING and not item.children
        ),
        interrupts=interrupts.list_interrupts(connection, execution_id),
        notes=execution.notes,
        inputs_yaml=execution.inputs_yaml,
        stages_executed=tuple(execution.stages_executed),
        rerun_of=execution.rerun_of or execution.retry_of,
        retry_stages=_broken(columns) if execution.status.is_final else (),
    )


def unit_logs(
    connection: Connection,
    account: str,
    node: NodeExecution,
    *,
    last: int | None = LINES_AT_FIRST,
    statuses: Mapping[str, str] | None = None,
) -> tuple[UnitLog, ...]:
    """Return the logs of a node in order of opening, each from `last` lines before its end."""
    found: list[UnitLog] = []
    for stream in node_streams(connection, account, node):
        offset = 0 if last is None else max(0, stream.lines - last)
        part = logs.read_lines(connection, account, stream.key, offset=offset, limit=1_000_000)
        lines = part.lines if part else ()
        unit = unit_name(stream.key)
        found.append(
            UnitLog(
                unit=unit,
                key=stream.key,
                status=(statuses or {}).get(unit, ""),
                offset=offset,
                next_offset=offset + len(lines),
                closed=stream.closed_at is not None,
                lines=tuple(map(log_line, lines)),
            )
        )
    return tuple(found)


def node_streams(
    connection: Connection, account: str, node: NodeExecution
) -> tuple[logs.LogStream, ...]:
    """Return the log streams of one node, in order of opening."""
    if not node.log_base_key:
        return ()
    streams = logs.list_streams(connection, account, prefix=node.log_base_key)
    keys = set(log_keys_of(node, [stream.key for stream in streams]))
    return tuple(stream for stream in streams if stream.key in keys)


def unit_name(key: str) -> str:
    """Return the command unit that a log key names; empty when it names none."""
    return key.rpartition("-commandUnit:")[2] if "-commandUnit:" in key else ""


def _broken(columns: tuple[tuple[TreeNode, ...], ...]) -> tuple[TreeNode, ...]:
    for column in columns:
        found = tuple(stage for stage in column if stage.status in BROKE | {Status.ABORTED})
        if found:
            return found
    return ()


def _panel(
    connection: Connection, rows: ExecutionRows, selected: TreeNode | None, wanted: str
) -> StepPanel | None:
    """Return the panel of the selected node, or of an earlier attempt that was asked for."""
    identifiers = [wanted, selected.id if selected else ""]
    node = next((n for i in identifiers for n in rows.nodes if i and n.id == i), None)
    if node is None:
        return None
    tasks = [task for task in rows.tasks if task.node_execution_id == node.id]
    task = tasks[-1] if tasks else None
    progress = node.unit_progresses or (task.progress.get("unitProgresses") if task else ())
    return StepPanel(
        node=node,
        params_yaml=_yaml(node.resolved_params),
        outcomes_yaml=_yaml(node.outcomes),
        delegate=rows.delegate_names.get(task.delegate_id or "", "") if task else "",
        task_id=task.id if task else "",
        attempts=tuple(_attempt(n) for n in rows.nodes if _same_node(n, node)),
        logs=unit_logs(connection, rows.execution.account, node, statuses=_unit_statuses(progress)),
        children=tuple(
            _with_strip(connection, child.id)
            for child in executions.list_children_of_node(connection, node.id)
        ),
    )


def _same_node(one: NodeExecution, other: NodeExecution) -> bool:
    return (one.plan_node_id, one.instance) == (other.plan_node_id, other.instance)


def _attempt(node: NodeExecution) -> Attempt:
    return Attempt(
        id=node.id,
        attempt=node.attempt,
        status=node.status,
        started_at=node.started_at or node.created_at,
        ended_at=node.ended_at,
        failure=str((node.failure or {}).get("message", "")),
    )


def _unit_statuses(progress: object) -> dict[str, str]:
    items = progress if isinstance(progress, Sequence) else ()
    return {
        str(item.get("unitName", "")): str(item.get("status", ""))
        for item in items
        if isinstance(item, Mapping)
    }


def _card(approval: Approval) -> ApprovalCard:
    approvers = approval.spec.get("approvers")
    count = approvers.get("minimumCount", 1) if isinstance(approvers, Mapping) else 1
    declared = approval.spec.get("approverInputs")
    return ApprovalCard(
        approval=approval,
        waiting=approval.status is ApprovalStatus.WAITING,
        minimum=int(str(count)) if str(count).isdigit() else 1,
        approved=sum(past.get("action") == "APPROVE" for past in approval.activities),
        inputs=tuple(
            _approver_input(item)
            for item in (declared if isinstance(declared, Sequence) else ())
            if isinstance(item, Mapping) and item.get("name")
        ),
    )


def _approver_input(item: JsonObject) -> ApproverInput:
    choices: tuple[str, ...] = ()
    for key in ("allowedValues", "selectOneFrom"):
        value = item.get(key)
        if isinstance(value, str):
            value = value.split(",")
        if isinstance(value, Sequence):
            choices = tuple(str(v).strip() for v in value)
    return ApproverInput(
        name=str(item["name"]),
        default=str(item.get("defaultValue") or ""),
        required=bool(item.get("required")),
        choices=choices,
    )


def _row(connection: Connection, rows: ExecutionRows) -> ExecutionRow:
    return execution_row(rows.execution, _strip(connection, rows))


def _strip(connection: Connection, rows: ExecutionRows) -> tuple[StageDot, ...]:
    return stage_strips(connection, [rows.execution])[rows.execution.id]


def _with_strip(connection: Connection, execution_id: str) -> ExecutionRow:
    item = executions.require_execution(connection, execution_id)
    return execution_row(item, stage_strips(connection, [item])[item.id])


def _parent(connection: Connection, parent_id: str | None) -> ExecutionRow | None:
    if parent_id is None or executions.get_execution(connection, parent_id) is None:
        return None
    return _with_strip(connection, parent_id)


def _yaml(value: JsonObject) -> str:
    return dump_yaml(dict(value)) if value else ""
