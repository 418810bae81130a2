"""The scratch page: every stored row behind one execution, as it is; reads only."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table, select

from fake_harness.store import tables
from fake_harness.store.executions import require_execution

_TABLES = (
    tables.plan_executions,
    tables.node_executions,
    tables.events,
    tables.interrupts,
    tables.approvals,
    tables.delegate_tasks,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsTable:
    """One table's rows."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsPage:
    """All rows of one execution."""

    execution_id: str
    tables: tuple[RowsTable, ...]


def rows_page(connection: Connection, execution_id: str) -> RowsPage:
    """Read the rows; secrets are not among them, they are in tables of their own."""
    execution = require_execution(connection, execution_id)
    found = [_read(connection, table, execution_id) for table in _TABLES]
    logs = tables.log_streams
    prefix = (
        f"accountId:{execution.account}/orgId:{execution.org}/projectId:{execution.project}"
        f"/pipelineId:{execution.pipeline}/runSequence:{execution.run_sequence}/"
    )
    statement = (
        select(logs).where(logs.c.key.startswith(prefix, autoescape=True)).order_by(logs.c.key)
    )
    rows = tuple(tuple(row) for row in connection.execute(statement))
    found.append(RowsTable(name=logs.name, columns=tuple(logs.c.keys()), rows=rows))
    return RowsPage(execution_id=execution_id, tables=tuple(found))


def _read(connection: Connection, table: Table, execution_id: str) -> RowsTable:
    key = table.c.id if table is tables.plan_executions else table.c.plan_execution_id
    statement = select(table).where(key == execution_id)
    order = next((table.c[name] for name in ("seq", "created_at") if name in table.c), None)
    if order is not None:
        statement = statement.order_by(order)
    rows = tuple(tuple(row) for row in connection.execute(statement))
    return RowsTable(name=table.name, columns=tuple(table.c.keys()), rows=rows)
