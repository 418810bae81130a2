"""The real engine process is killed again and again under load, and every execution ends."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from engine_life import (
    EXPECTED_EFFECTS,
    FakeDelegate,
    add_execution,
    approve_all,
    breaks,
    database_in,
    road,
)
from patience import PATIENCE_S, eventually
from sqlalchemy import Engine

from fake_harness.status import Status
from fake_harness.store import executions, node_executions

EXECUTIONS = [f"e{number}" for number in range(6)]
KILLS = 12
EFFECTS = len(EXECUTIONS) * len(EXPECTED_EFFECTS)
EFFECTS_A_KILL = EFFECTS // (KILLS + 1)
"""Kills are counted by what was done, not by time, so that a fast machine sees as many."""


def test_kill_9_of_the_engine_loses_and_repeats_nothing(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    for execution_id in EXECUTIONS:
        add_execution(database, road(), execution_id)
    delegate = FakeDelegate(database, tmp_path, breaks)
    chance = random.Random(7)
    engine = start_engine(tmp_path)
    kills = 0
    try:
        deadline = time.monotonic() + 5 * PATIENCE_S
        while not all_ended(database):
            assert time.monotonic() < deadline, "the executions do not end"
            delegate.work(at_most=1)
            for execution_id in EXECUTIONS:
                approve_all(database, execution_id)
            if kills < KILLS and effects_in(tmp_path) >= (kills + 1) * EFFECTS_A_KILL:
                # any moment of what the engine does with that effect
                time.sleep(chance.uniform(0, 0.2))
                engine.send_signal(signal.SIGKILL)
                engine.wait()
                kills += 1
                engine = start_engine(tmp_path)
    finally:
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(PATIENCE_S) == 0, "SIGTERM ends the engine in order"
    assert kills == KILLS, "the load was over before the engine could be killed"
    effects = (tmp_path / "effects").read_text().splitlines()
    assert Counter(effects) == Counter(
        f"{e} {effect}" for e in EXECUTIONS for effect in EXPECTED_EFFECTS
    )
    with database.connect() as connection:
        for execution_id in EXECUTIONS:
            found = executions.require_execution(connection, execution_id)
            assert found.status is Status.FAILED
            nodes = node_executions.list_nodes(connection, execution_id)
            assert all(node.status.is_final for node in nodes)
    database.dispose()


def start_engine(folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "FAKE_HARNESS_STATE_DIR": str(folder),
        "FAKE_HARNESS_TIME_SCALE": "100",
    }
    command = [sys.executable, "-m", "fake_harness.engine_main"]
    log = (folder / "engine.log").open("ab")
    return subprocess.Popen(command, env=environment, stderr=log)


def effects_in(folder: Path) -> int:
    effects = folder / "effects"
    return len(effects.read_text().splitlines()) if effects.exists() else 0


def all_ended(database: Engine) -> bool:
    with database.connect() as connection:
        return executions.active_execution_ids(connection) == ()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_engine_ends_at_once_when_asked(tmp_path: Path, signal_number: int) -> None:
    engine = start_engine(tmp_path)
    log = tmp_path / "engine.log"
    eventually(lambda: "lease_taken" in log.read_text(), log.read_text)
    engine.send_signal(signal_number)
    assert engine.wait(PATIENCE_S) == 0
