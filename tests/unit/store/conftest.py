from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_database import fresh_database
from sqlalchemy import Connection, Engine

from fake_harness.crypto import Cipher, load_cipher
from fake_harness.store import tables
from fake_harness.store.database import create_tables, open_database, transaction


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once; each test gets a copy of the file."""
    path = tmp_path_factory.mktemp("store") / "harness.db"
    engine = open_database(f"sqlite:///{path}")
    assert tables.entities is not None
    create_tables(engine)
    engine.dispose()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Iterator[Engine]:
    engine = fresh_database(empty_database, tmp_path / "harness.db")
    yield engine
    engine.dispose()


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with transaction(database) as connection:
        yield connection


@pytest.fixture
def cipher(tmp_path: Path) -> Cipher:
    return load_cipher(tmp_path / "master.key")
