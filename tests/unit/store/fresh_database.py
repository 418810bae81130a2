"""An empty database for one test: a copy of an SQLite file, or the PostgreSQL that is named."""

import os
import shutil
from pathlib import Path

from sqlalchemy import Engine, text

from fake_harness.store.database import create_tables, metadata, open_database

URL = os.environ.get("TEST_DATABASE_URL", "")
"""Set by `tests/contract/test_postgres.py`, which runs these same tests once more."""


def fresh_database(empty: Path, place: Path) -> Engine:
    """Open an empty database with every table."""
    if not URL:
        shutil.copy(empty, place)
        return open_database(f"sqlite:///{place}")
    engine = open_database(URL)
    create_tables(engine)
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    return engine
