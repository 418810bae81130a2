"""What the list pages show: executions, pipelines, delegates."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from fake_harness.api.wire import Backend
from fake_harness.console.queries import (
    StageDot,
    count_active,
    plan_stages,
    stage_strips,
    used_pipelines,
)
from fake_harness.status import ACTIVE, Status
from fake_harness.store import delegate_tasks, delegates, entities, events, executions, leases
from fake_harness.store.entities import EntityKind, EntityQuery
from fake_harness.store.executions import ExecutionQuery, PlanExecution

PAGE_SIZE = 25
_EVENTS = {"PUSH": "Push", "PR": "Pull request", "PULL_REQUEST": "Pull request", "TAG": "Tag"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What every page's head shows."""

    engine_runs: bool
    delegates_connected: int
    active_executions: int
    waiting_approvals: int
    event_seq: int
    """The newest event that the page knows of; the live stream goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One line of the list of executions."""

    id: str
    name: str
    pipeline: str
    org: str
    project: str
    run_sequence: int
    status: Status
    trigger: str
    who: str
    branch: str
    commit: str
    message: str
    failure: str
    started_at: datetime
    ended_at: datetime | None
    parent_execution_id: str | None
    stages: tuple[StageDot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsPage:
    """The list of executions, newest first."""

    items: tuple[ExecutionRow, ...]
    total: int
    page: int
    pages: int
    pipelines: tuple[str, ...]
    pipeline: str
    status: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRow:
    """One pipeline with its newest run."""

    org: str
    project: str
    identifier: str
    name: str
    description: str
    stages: int
    runs: int
    last: ExecutionRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A task that a delegate works on."""

    id: str
    type: str
    plan_execution_id: str
    node_execution_id: str
    execution: str
    acquired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateRow:
    """One delegate."""

    id: str
    name: str
    host_name: str
    type: str
    version: str
    token_name: str
    tags: tuple[str, ...]
    connected: bool
    heartbeat_at: datetime
    tasks: tuple[RunningTask, ...]


def health(connection: Connection, source: Backend, now: datetime) -> Health:
    """Read the facts of the page's head."""
    account = source.settings.account_id
    lease = leases.get_lease(connection, "engine")
    rows = delegates.list_delegates(connection, account)
    return Health(
        engine_runs=lease is not None and lease.until > now,
        delegates_connected=sum(row.is_connected(now) for row in rows),
        active_executions=count_active(connection, account, sorted(ACTIVE)),
        waiting_approvals=count_active(connection, account, [Status.APPROVAL_WAITING]),
        event_seq=events.last_seq(connection),
    )


def executions_page(
    connection: Connection, account: str, *, pipeline: str, status: Status | None, page: int
) -> ExecutionsPage:
    """Read one page of the list."""
    query = ExecutionQuery(
        account=account, pipeline=pipeline or None, statuses=() if status is None else (status,)
    )
    found = executions.list_executions(connection, query, page=page, size=PAGE_SIZE)
    strips = stage_strips(connection, found.items)
    return ExecutionsPage(
        items=tuple(execution_row(item, strips[item.id]) for item in found.items),
        total=found.total,
        page=page,
        pages=max(1, -(-found.total // PAGE_SIZE)),
        pipelines=used_pipelines(connection, account),
        pipeline=pipeline,
        status=status,
    )


def execution_row(item: PlanExecution, stages: tuple[StageDot, ...]) -> ExecutionRow:
    """Build one line of the list."""
    codebase = item.codebase
    return ExecutionRow(
        id=item.id,
        name=item.name,
        pipeline=item.pipeline,
        org=item.org,
        project=item.project,
        run_sequence=item.run_sequence,
        status=item.status,
        trigger=trigger_words(item),
        who=item.triggered_by.get("name") or item.triggered_by.get("identifier", ""),
        branch=str(codebase.get("branch") or codebase.get("tag") or ""),
        commit=str(codebase.get("commitSha") or "")[:7],
        message=str(codebase.get("commitMessage") or "").partition("\n")[0],
        failure=str((item.failure or {}).get("message", "")),
        started_at=item.started_at or item.created_at,
        ended_at=item.ended_at,
        parent_execution_id=item.parent_execution_id,
        stages=stages,
    )


def trigger_words(item: PlanExecution) -> str:
    """Return in words what started an execution."""
    if item.parent_execution_id is not None:
        return "Pipeline stage"
    if item.rerun_of is not None:
        return "Rerun"
    if item.retry_of is not None:
        return "Retry"
    words = {
        "MANUAL": "Manual",
        "WEBHOOK": _EVENTS.get(str(item.trigger.get("event")), "Webhook"),
        "WEBHOOK_CUSTOM": "Custom webhook",
        "SCHEDULER_CRON": "Schedule",
    }
    return words.get(item.trigger_type, item.trigger_type.capitalize())


def _named(connection: Connection, execution_id: str) -> str:
    item = executions.get_execution(connection, execution_id)
    return f"{item.name} #{item.run_sequence}" if item else execution_id


def pipeline_rows(connection: Connection, account: str) -> tuple[PipelineRow, ...]:
    """Read every pipeline of the account with its newest run."""
    query = EntityQuery(kind=EntityKind.PIPELINE, account=account)
    rows: list[PipelineRow] = []
    for entity in entities.list_all(connection, query):
        runs = executions.list_executions(
            connection,
            ExecutionQuery(
                account=account,
                org=entity.key.org,
                project=entity.key.project,
                pipeline=entity.identifier,
            ),
            size=1,
        )
        strips = stage_strips(connection, runs.items)
        last = next((execution_row(item, strips[item.id]) for item in runs.items), None)
        count = entity.body.get("stageCount")
        rows.append(
            PipelineRow(
                org=entity.key.org,
                project=entity.key.project,
                identifier=entity.identifier,
                name=entity.name,
                description=entity.description,
                stages=len(plan_stages(runs.items[0].plan_json))
                if runs.items
                else int(str(count or 0)),
                runs=runs.total,
                last=last,
            )
        )
    return tuple(rows)


def delegate_rows(connection: Connection, account: str, now: datetime) -> tuple[DelegateRow, ...]:
    """Read every delegate with the tasks that it runs."""
    return tuple(
        DelegateRow(
            id=row.id,
            name=row.name,
            host_name=row.host_name,
            type=row.type,
            version=row.version,
            token_name=row.token_name,
            tags=tuple(row.tags),
            connected=row.is_connected(now),
            heartbeat_at=row.heartbeat_at,
            tasks=tuple(
                RunningTask(
                    id=task.id,
                    type=task.type,
                    plan_execution_id=task.plan_execution_id,
                    node_execution_id=task.node_execution_id,
                    execution=_named(connection, task.plan_execution_id),
                    acquired_at=task.acquired_at,
                )
                for task in delegate_tasks.list_running(connection, row.id)
            ),
        )
        for row in delegates.list_delegates(connection, account)
    )
