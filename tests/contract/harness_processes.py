"""The Harness API and the engine as processes on one state directory, filled by hand."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from delegate_manager import TOKEN, Delegate, FakeManager
from patience import eventually

from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.store import entities, executions, node_executions, tables
from fake_harness.store.database import create_tables, open_database, transaction
from fake_harness.store.entities import EntityContent, EntityKey
from fake_harness.store.executions import NewExecution
from fake_harness.store.node_executions import NodeExecution

SCOPE = {"account": "sandbox_account", "org": "default", "project": "demo"}


@dataclass
class Harness:
    """The API and the engine as processes on one state directory."""

    folder: Path
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.database = open_database(f"sqlite:///{self.folder / 'harness.db'}")
        assert tables.entities is not None
        create_tables(self.database)

    def start(self) -> None:
        environment = {
            **os.environ,
            "FAKE_HARNESS_STATE_DIR": str(self.folder),
            "FAKE_HARNESS_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "FAKE_HARNESS_PORT": str(self.port),
            "FAKE_HARNESS_TIME_SCALE": "50",
            "FAKE_HARNESS_DELEGATE_TOKEN": TOKEN,
        }
        for name in ("server", "engine_main"):
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", f"fake_harness.{name}"],
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
        eventually(self._answers, "the API answers")

    def _answers(self) -> bool:
        try:
            requests.get(f"http://127.0.0.1:{self.port}/", timeout=5, allow_redirects=False)
        except requests.ConnectionError:
            return False
        return True

    def has_delegate(self) -> bool:
        with self.database.connect() as connection:
            return connection.execute(tables.delegates.select()).first() is not None

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(20)

    def entity(self, kind: str, identifier: str, document: Mapping[str, Any], **more: Any) -> None:
        key = EntityKey(kind=kind, **SCOPE, identifier=identifier, parent=more.get("parent", ""))
        content = EntityContent(
            name=identifier, yaml=json.dumps(document), body=more.get("body", {})
        )
        with transaction(self.database) as connection:
            entities.upsert(connection, key, content, now=datetime.now(UTC))

    def run(self, yaml: str) -> str:
        """Start a pipeline, wait for its end and return its status."""
        with transaction(self.database) as connection:
            new = NewExecution(**SCOPE, pipeline="p", plan=compile_pipeline(yaml))
            self.execution = executions.create_execution(connection, new, now=datetime.now(UTC)).id
        return eventually(self._final_status, self.statuses)

    def _final_status(self) -> str:
        with self.database.connect() as connection:
            row = executions.require_execution(connection, self.execution)
        return str(row.status.value) if row.status.is_final else ""

    def nodes(self) -> dict[str, NodeExecution]:
        with self.database.connect() as connection:
            found = node_executions.list_nodes(connection, self.execution)
        return {node.identifier: node for node in found}

    def statuses(self) -> dict[str, str]:
        return {name: node.status.value for name, node in self.nodes().items()}


@contextmanager
def harness_with_delegate(
    folder: Path,
    environment: Mapping[str, str],
    fill: Callable[[Harness], None] = lambda _harness: None,
) -> Iterator[Harness]:
    """The real API and engine, filled, with a real delegate that has registered."""
    manager = FakeManager()
    manager.start()
    manager.stop()  # it only found a free port
    harness = Harness(folder / "harness", manager.port)
    harness.start()
    (folder / "delegate").mkdir()
    delegate = Delegate(manager=manager, folder=folder / "delegate", environment=environment)
    delegate.start()
    try:
        fill(harness)
        eventually(harness.has_delegate, "the delegate has registered")
        yield harness
    finally:
        delegate.stop()
        delegate.end_steps()
        harness.stop()
