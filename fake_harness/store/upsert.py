"""INSERT … ON CONFLICT, which SQLAlchemy spells by database; it chooses no conflict's outcome."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert


def upsert(connection: Connection, table: Table) -> Insert:
    """Return an INSERT for the connection's database that knows `on_conflict_do_…`.

    Its result's `rowcount` tells whether a row came to be. PostgreSQL's INSERT has the same
    methods; its dialect is imported only where it is used.
    """
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table).execution_options(  # type: ignore[return-value]
        preserve_rowcount=True
    )
