from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_harness import EngineUnderTest


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineUnderTest]:
    engine = EngineUnderTest(tmp_path)
    yield engine
    engine.database.dispose()
