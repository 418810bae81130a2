"""The database engine, its pragmas and its transactions; tables live beside it.

SQLite in WAL mode by default, PostgreSQL by URL; the same SQLAlchemy Core statements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text

metadata = MetaData()


def open_database(url: str) -> Engine:
    """Open the database at `url`; SQLite gets WAL, foreign keys and real transactions.

    Call `create_tables` once before the first use.
    """
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def create_tables(engine: Engine) -> None:
    """Create every table that is missing; safe to repeat and to race."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("BEGIN IMMEDIATE"))
        metadata.create_all(connection)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run the block as one write transaction (`BEGIN IMMEDIATE` on SQLite)."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("BEGIN IMMEDIATE"))
        yield connection
