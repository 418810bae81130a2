"""Plan executions: one row per run of a pipeline, its plan and its facts.

Nodes are in `node_executions.py`. The API creates rows here; the engine moves their status.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Select, func, literal, select, update

from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject, Plan
from fake_harness.status import FINAL, Status
from fake_harness.store import events
from fake_harness.store.tables import plan_executions, run_sequences
from fake_harness.store.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExecution:
    """What `create_execution` needs.

    `codebase` holds facts for CI: `{"type": "branch|tag|PR|Push", "branch": .., "commitSha":
    .., "tag": .., "prNumber": .., "sourceBranch": .., "targetBranch": .., "repoUrl": ..}`.
    `trigger` is what `<+trigger.*>` reads, `payload` included.
    """

    account: str
    org: str
    project: str
    pipeline: str
    plan: Plan
    trigger_type: str = "MANUAL"
    """MANUAL | WEBHOOK | WEBHOOK_CUSTOM | SCHEDULER_CRON | ARTIFACT | MANIFEST | PIPELINE"""
    triggered_by: Mapping[str, str] = field(default_factory=dict)
    """`{"identifier": .., "name": .., "email": ..}`"""
    trigger: JsonObject = field(default_factory=dict)
    codebase: JsonObject = field(default_factory=dict)
    inputs_yaml: str = ""
    input_set_references: Sequence[str] = ()
    notes: str = ""
    stages_executed: Sequence[str] = ()
    """Selected stage identifiers; empty means all."""
    parent_execution_id: str | None = None
    parent_node_execution_id: str | None = None
    rerun_of: str | None = None
    retry_of: str | None = None
    retry_stages: Sequence[str] = ()
    """Stages to run again; those before them are copied from `retry_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanExecution:
    """One run of a pipeline."""

    id: str
    account: str
    org: str
    project: str
    pipeline: str
    name: str
    run_sequence: int
    status: Status
    version: int
    plan_json: str
    inputs_yaml: str
    input_set_references: Sequence[str]
    trigger_type: str
    triggered_by: Mapping[str, str]
    trigger: JsonObject
    codebase: JsonObject
    tags: Mapping[str, str]
    notes: str
    stages_executed: Sequence[str]
    parent_execution_id: str | None
    parent_node_execution_id: str | None
    rerun_of: str | None
    retry_of: str | None
    retry_stages: Sequence[str]
    failure: JsonObject | None
    """`{"message": str, "failureTypes": [str]}`"""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def plan(self) -> Plan:
        """The stored plan, parsed anew at each call."""
        return Plan.from_json(self.plan_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionQuery:
    """Filters of a list; empty or None means any."""

    account: str
    org: str | None = None
    project: str | None = None
    pipeline: str | None = None
    statuses: tuple[Status, ...] = ()
    search: str = ""
    trigger_types: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_until: datetime | None = None
    top_level_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPage:
    """One page, newest first, and the number of all matches."""

    items: tuple[PlanExecution, ...]
    total: int


def new_execution_id() -> str:
    """Make an id of Harness's shape: 22 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def create_execution(
    connection: Connection, new: NewExecution, *, now: datetime, execution_id: str = ""
) -> PlanExecution:
    """Store an execution as QUEUED; the engine starts it. A repeated id answers the first row."""
    execution_id = execution_id or new_execution_id()
    found = get_execution(connection, execution_id)
    if found is not None:
        return found
    values = {f.name: getattr(new, f.name) for f in fields(new) if f.name != "plan"}
    sequence = _next_sequence(connection, new)
    connection.execute(
        plan_executions.insert().values(
            **values,
            id=execution_id,
            name=new.plan.name,
            run_sequence=sequence,
            status=Status.QUEUED.value,
            plan_json=new.plan.to_json().decode(),
            tags=dict(new.plan.tags),
            created_at=now,
        )
    )
    events.append(connection, execution_id, Status.QUEUED, cause="created", now=now)
    return require_execution(connection, execution_id)


def get_execution(connection: Connection, execution_id: str) -> PlanExecution | None:
    """Return the execution, or None."""
    statement = select(plan_executions).where(plan_executions.c.id == execution_id)
    row = connection.execute(statement).mappings().first()
    return None if row is None else _execution(row)


def require_execution(connection: Connection, execution_id: str) -> PlanExecution:
    """Return the execution; HarnessError when there is none."""
    execution = get_execution(connection, execution_id)
    if execution is None:
        message = f"Plan Execution with id [{execution_id}] not found"
        raise HarnessError("RESOURCE_NOT_FOUND_EXCEPTION", message, status=404)
    return execution


def list_executions(
    connection: Connection, query: ExecutionQuery, *, page: int = 0, size: int = 20
) -> ExecutionPage:
    """Return page `page` (0-based), newest first."""
    statement = _matching(query)
    order = (plan_executions.c.created_at.desc(), plan_executions.c.run_sequence.desc())
    rows = connection.execute(statement.order_by(*order).limit(size).offset(page * size))
    total = connection.execute(select(func.count()).select_from(statement.subquery())).scalar_one()
    return ExecutionPage(items=tuple(map(_execution, rows.mappings())), total=total)


def list_children(connection: Connection, parent_execution_id: str) -> tuple[PlanExecution, ...]:
    """Return the executions that Pipeline stages of an execution started."""
    statement = select(plan_executions).where(
        plan_executions.c.parent_execution_id == parent_execution_id
    )
    return tuple(map(_execution, connection.execute(statement).mappings()))


def list_children_of_node(
    connection: Connection, node_execution_id: str
) -> tuple[PlanExecution, ...]:
    """Return the executions that one Pipeline stage started."""
    statement = select(plan_executions).where(
        plan_executions.c.parent_node_execution_id == node_execution_id
    )
    return tuple(map(_execution, connection.execute(statement).mappings()))


def active_execution_ids(connection: Connection) -> tuple[str, ...]:
    """Return the executions that are not final, oldest first."""
    final = [status.value for status in FINAL]
    statement = (
        select(plan_executions.c.id)
        .where(plan_executions.c.status.not_in(final))
        .order_by(plan_executions.c.created_at)
    )
    return tuple(connection.execute(statement).scalars())


def set_execution_status(
    connection: Connection,
    execution_id: str,
    to: Status,
    *,
    allowed_from: frozenset[Status],
    now: datetime,
    cause: str,
    failure: JsonObject | None = None,
) -> bool:
    """Compare-and-set the status, with its event; False when it is not in `allowed_from`."""
    values: dict[str, object] = {"status": to.value, "version": plan_executions.c.version + 1}
    if to is Status.RUNNING:
        values["started_at"] = func.coalesce(
            plan_executions.c.started_at, literal(now, plan_executions.c.started_at.type)
        )
    if to.is_final:
        values["ended_at"] = now
    if failure is not None:
        values["failure"] = failure
    allowed = [status.value for status in allowed_from]
    changed = connection.execute(
        update(plan_executions)
        .where(plan_executions.c.id == execution_id, plan_executions.c.status.in_(allowed))
        .values(values)
    ).rowcount
    if changed:
        events.append(connection, execution_id, to, cause=cause, now=now)
    return bool(changed)


def _next_sequence(connection: Connection, new: NewExecution) -> int:
    keys = ("account", "org", "project", "pipeline")
    statement = (
        upsert(connection, run_sequences)
        .values({name: getattr(new, name) for name in keys} | {"value": 1})
        .on_conflict_do_update(index_elements=keys, set_={"value": run_sequences.c.value + 1})
        .returning(run_sequences.c.value)
    )
    return int(connection.execute(statement).scalar_one())


def _matching(query: ExecutionQuery) -> Select[tuple[object, ...]]:
    column = plan_executions.c
    statement = select(plan_executions).where(column.account == query.account)
    for name in ("org", "project", "pipeline"):
        if (value := getattr(query, name)) is not None:
            statement = statement.where(column[name] == value)
    if query.statuses:
        statement = statement.where(column.status.in_([s.value for s in query.statuses]))
    if query.trigger_types:
        statement = statement.where(column.trigger_type.in_(query.trigger_types))
    if query.search:
        statement = statement.where(
            func.lower(column.name + " " + column.pipeline).contains(
                query.search.lower(), autoescape=True
            )
        )
    if query.created_from is not None:
        statement = statement.where(column.created_at >= query.created_from)
    if query.created_until is not None:
        statement = statement.where(column.created_at <= query.created_until)
    if query.top_level_only:
        statement = statement.where(column.parent_execution_id.is_(None))
    return statement


def _execution(row: RowMapping) -> PlanExecution:
    return PlanExecution(**{**row, "status": Status(row["status"])})
