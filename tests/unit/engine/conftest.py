from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_harness import EngineUnderTest
from fresh_database import fresh_database

from fake_harness.store import tables
from fake_harness.store.database import create_tables, open_database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once; each test gets a copy of the file."""
    path = tmp_path_factory.mktemp("engine") / "harness.db"
    database = open_database(f"sqlite:///{path}")
    assert tables.entities is not None
    create_tables(database)
    database.dispose()
    return path


@pytest.fixture
def engine(tmp_path: Path, empty_database: Path) -> Iterator[EngineUnderTest]:
    engine = EngineUnderTest(
        tmp_path, database=fresh_database(empty_database, tmp_path / "harness.db")
    )
    yield engine
    engine.database.dispose()
