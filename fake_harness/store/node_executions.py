"""Node executions: one row per attempt of a plan node, moved by compare-and-set.

Only the engine writes statuses here; the API and the console read.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update

from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject, NodeKind
from fake_harness.status import Status
from fake_harness.store import events
from fake_harness.store.tables import node_executions
from fake_harness.store.upsert import upsert

_NAMESPACE = uuid.UUID("6f0d1f6a-5a53-4a53-9d2e-0b9d1b6f5c11")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeExecution:
    """One attempt of one plan node (of one iteration, under a strategy)."""

    id: str
    plan_execution_id: str
    plan_node_id: str
    instance: str = ""
    """Path of iterations above and at this node (`0`, `2.1`); empty without a strategy."""
    attempt: int = 0
    parent_id: str | None = None
    """The id of the parent's node execution."""
    kind: NodeKind
    type: str = ""
    identifier: str
    """With the iteration's suffix (`test_0`)."""
    name: str
    fqn: str
    status: Status = Status.QUEUED
    version: int = 0
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None
    """When it becomes EXPIRED."""
    start_at: datetime | None = None
    """Not before this moment (the interval of a retry)."""
    wake_at: datetime | None = None
    """When a wait ends, or an intervention runs out."""
    resolved_params: JsonObject = field(default_factory=dict)
    outcomes: JsonObject = field(default_factory=dict)
    """Outcome name -> value; a step's `output` is under `output`."""
    failure: JsonObject | None = None
    """`{"message": str, "failureTypes": [str]}`"""
    advice: str = ""
    """The failure action that was chosen for it (`StageRollback`, `Ignore`, ...)."""
    run_info: JsonObject | None = None
    """`{"whenCondition", "evaluatedCondition", "expressions"}`"""
    strategy: JsonObject | None = None
    """`{"iteration", "iterations", "postfix", "matrix", "repeat", "name"}` of an iteration."""
    step_details: JsonObject = field(default_factory=dict)
    unit_progresses: Sequence[JsonObject] = ()
    rollback_data: JsonObject | None = None
    secret_outputs: Sequence[str] = ()
    delegate_id: str | None = None
    log_base_key: str = ""


def node_execution_id(
    plan_execution_id: str, plan_node_id: str, instance: str, attempt: int
) -> str:
    """Return the id of an attempt: the same four facts always give the same 22 characters."""
    name = f"{plan_execution_id}/{plan_node_id}/{instance}/{attempt}"
    return base64.urlsafe_b64encode(uuid.uuid5(_NAMESPACE, name).bytes).decode().rstrip("=")


def insert_node(connection: Connection, node: NodeExecution, *, cause: str, now: datetime) -> bool:
    """Store a new attempt with its event; False when it is there already."""
    values = {f.name: getattr(node, f.name) for f in fields(node)}
    values |= {"status": node.status.value, "kind": node.kind.value}
    added = connection.execute(
        upsert(connection, node_executions).values(values).on_conflict_do_nothing()
    )
    if added.rowcount:
        _record(connection, node.plan_execution_id, node.id, node.status, cause=cause, now=now)
    return bool(added.rowcount)


def set_node_status(
    connection: Connection,
    node_id: str,
    to: Status,
    *,
    allowed_from: Iterable[Status],
    now: datetime,
    cause: str,
    changes: Mapping[str, object] | None = None,
) -> bool:
    """Compare-and-set a status together with other columns and the event.

    Returns False when the node is not in `allowed_from`: somebody else was first.
    """
    values: dict[str, object] = dict(changes or {})
    values |= {"status": to.value, "version": node_executions.c.version + 1}
    if to.is_final:
        values["ended_at"] = now
    row = connection.execute(
        update(node_executions)
        .where(
            node_executions.c.id == node_id,
            node_executions.c.status.in_([status.value for status in allowed_from]),
        )
        .values(values)
        .returning(node_executions.c.plan_execution_id)
    ).first()
    if row is None:
        return False
    _record(connection, row[0], node_id, to, cause=cause, now=now)
    return True


def change_node(connection: Connection, node_id: str, changes: Mapping[str, object]) -> None:
    """Overwrite columns other than the status (progress, details)."""
    connection.execute(
        update(node_executions)
        .where(node_executions.c.id == node_id)
        .values({**changes, "version": node_executions.c.version + 1})
    )


def list_nodes(
    connection: Connection,
    plan_execution_id: str,
    *,
    known: Mapping[str, NodeExecution] | None = None,
) -> tuple[NodeExecution, ...]:
    """Return every attempt of every node of an execution, in order of creation.

    Rows of `known` (by id, as they were committed) whose version is still the same are not
    read again; each write makes a new version.
    """
    column = node_executions.c
    here = column.plan_execution_id == plan_execution_id
    order = (column.created_at, column.id)
    if not known:
        rows = connection.execute(select(node_executions).where(here).order_by(*order))
        return tuple(map(_node, rows.mappings()))
    versions = connection.execute(select(column.id, column.version).where(here).order_by(*order))
    found = {row.id: _if_current(known.get(row.id), row.version) for row in versions}
    missing = [node_id for node_id, node in found.items() if node is None]
    if missing:
        fresh = connection.execute(select(node_executions).where(here, column.id.in_(missing)))
        found |= {node.id: node for node in map(_node, fresh.mappings())}
    return tuple(node for node in found.values() if node is not None)


def _if_current(node: NodeExecution | None, version: int) -> NodeExecution | None:
    return node if node is not None and node.version == version else None


def get_node(connection: Connection, node_id: str) -> NodeExecution | None:
    """Return one node execution, or None."""
    statement = select(node_executions).where(node_executions.c.id == node_id)
    row = connection.execute(statement).mappings().first()
    return None if row is None else _node(row)


def require_node(connection: Connection, node_id: str) -> NodeExecution:
    """Return one node execution; HarnessError when there is none."""
    node = get_node(connection, node_id)
    if node is None:
        message = f"Node Execution with id [{node_id}] not found"
        raise HarnessError("RESOURCE_NOT_FOUND_EXCEPTION", message, status=404)
    return node


def latest_attempts(nodes: Iterable[NodeExecution]) -> tuple[NodeExecution, ...]:
    """Return only the last attempt of each node and iteration, in the given order."""
    last: dict[tuple[str, str], int] = {}
    kept = tuple(nodes)
    for node in kept:
        key = (node.plan_node_id, node.instance)
        last[key] = max(node.attempt, last.get(key, 0))
    return tuple(n for n in kept if n.attempt == last[n.plan_node_id, n.instance])


def _record(
    connection: Connection,
    plan_execution_id: str,
    node_id: str,
    status: Status,
    *,
    cause: str,
    now: datetime,
) -> None:
    events.append(
        connection, plan_execution_id, status, cause=cause, now=now, node_execution_id=node_id
    )


def _node(row: RowMapping) -> NodeExecution:
    return NodeExecution(**{**row, "status": Status(row["status"]), "kind": NodeKind(row["kind"])})
