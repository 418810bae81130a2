"""The engine and its delegate die before and after every commit; nothing is lost or doubled."""

import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from engine_life import SHORT_EFFECTS, add_execution, database_in, live, road

from fake_harness.status import Status
from fake_harness.store import events, executions, logs, node_executions

Facts = tuple[Status, list[str], list[tuple[str, int, str]], Counter[str], dict[str, int]]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one execution that has not started."""
    folder = tmp_path_factory.mktemp("ready")
    database = database_in(folder)
    add_execution(database, road(short=True), "e")
    with database.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return folder


def test_a_death_around_any_commit_loses_and_repeats_nothing(ready: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    shutil.copytree(ready, reference)
    assert lived(reference) == 0
    expected = facts(reference)
    assert expected[0] is Status.FAILED, "the gate fails and the stage is rolled back"
    assert expected[1] == SHORT_EFFECTS
    swept = 0
    while True:
        folder = tmp_path / f"at-{swept + 1}"
        shutil.copytree(ready, folder)
        died = lived(folder, crash_at=swept + 1) == -signal.SIGKILL
        if died:
            assert lived(folder) == 0, f"no end after a death at point {swept + 1}"
        assert facts(folder) == expected, f"died at point {swept + 1}"
        shutil.rmtree(folder)
        if not died:
            break
        swept += 1
    assert swept > 60, "the sweep did not see the engine's writes"


def lived(folder: Path, *, crash_at: int = 0) -> int:
    """Run one life in a fork; return its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            live(folder, crash_at)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def facts(folder: Path) -> Facts:
    """Return everything that must not depend on where the process died."""
    database = database_in(folder)
    with database.connect() as connection:
        status = executions.require_execution(connection, "e").status
        nodes = node_executions.list_nodes(connection, "e")
        seen = events.since(connection, "e", 0, limit=10_000)
        streams = logs.list_streams(connection, "acc", prefix="accountId")
    database.dispose()
    effects = sorted(
        line.partition(" ")[2] for line in (folder / "effects").read_text().splitlines()
    )
    rows = sorted((node.identifier, node.attempt, node.status.value) for node in nodes)
    events_of = Counter(f"{event.node_execution_id} {event.status.value}" for event in seen)
    lines = {stream.key: stream.lines for stream in streams}
    return status, effects, rows, events_of, lines
