"""The database engine, its pragmas and its transactions; tables live beside it.

SQLite in WAL mode by default, PostgreSQL by URL; the same SQLAlchemy Core statements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text

metadata = MetaData()
_WRITERS = 0x68617265
"""The key of PostgreSQL's advisory lock that write transactions hold; any number of ours."""


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
    with transaction(engine) as connection:
        metadata.create_all(connection)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run the block as one write transaction; no two run at the same time.

    `BEGIN IMMEDIATE` on SQLite. PostgreSQL would let writers overlap, and events become
    visible out of their order; one lock of the whole store gives both the same meaning.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("BEGIN IMMEDIATE"))
        else:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))
        yield connection
