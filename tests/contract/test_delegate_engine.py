"""The delegate under the real API and engine, deploying to ECS: the parts fit, failure included."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from delegate_aws import CLUSTER, Lab, lab, service_definition, task_definition
from delegate_manager import Delegate, FakeManager, await_true
from ecs_sandbox import REGION

from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.store import entities, executions, node_executions, tables
from fake_harness.store.database import create_tables, open_database, transaction
from fake_harness.store.entities import EntityContent, EntityKey
from fake_harness.store.executions import NewExecution
from fake_harness.store.node_executions import NodeExecution

SCOPE = {"account": "sandbox_account", "org": "default", "project": "demo"}
TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Harness:
    """The API, the engine and one delegate as processes on one state directory."""

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
        await_true(self._answers, "the API answers", 60)

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

    def run(self, yaml: str, timeout_s: float = 90) -> str:
        """Start a pipeline, wait for its end and return its status."""
        with transaction(self.database) as connection:
            new = NewExecution(**SCOPE, pipeline="p", plan=compile_pipeline(yaml))
            self.execution = executions.create_execution(connection, new, now=datetime.now(UTC)).id
        deadline = time.monotonic() + timeout_s
        while True:
            with self.database.connect() as connection:
                row = executions.require_execution(connection, self.execution)
            if row.status.is_final:
                return str(row.status.value)
            assert time.monotonic() < deadline, self.statuses()
            time.sleep(0.1)

    def nodes(self) -> dict[str, NodeExecution]:
        with self.database.connect() as connection:
            found = node_executions.list_nodes(connection, self.execution)
        return {node.identifier: node for node in found}

    def statuses(self) -> dict[str, str]:
        return {name: node.status.value for name, node in self.nodes().items()}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    (tmp_path / "aws").mkdir()
    with lab(tmp_path / "aws") as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        found.build()
        yield found


@pytest.fixture
def harness(made: Lab, tmp_path: Path) -> Iterator[Harness]:
    manager = FakeManager()
    manager.start()
    manager.stop()  # it only found a free port
    started = Harness(tmp_path / "harness", manager.port)
    started.start()
    folder = tmp_path / "delegate"
    folder.mkdir()
    delegate = Delegate(
        manager=manager, folder=folder, environment={"FAKE_HARNESS_TIME_SCALE": "50"}
    )
    delegate.start()
    fill(started)
    await_true(started.has_delegate, "the delegate has registered", 60)
    yield started
    delegate.stop()
    delegate.end_steps()
    started.stop()


def fill(harness: Harness) -> None:
    """Make connector, service, environment and infrastructure."""
    credential = {"credential": {"type": "InheritFromDelegate"}}
    harness.entity("connector", "aws", {}, body={"type": "Aws", "spec": credential})
    harness.entity("environment", "prod", {"environment": {"identifier": "prod", "name": "prod"}})
    spec = {"connectorRef": "aws", "region": REGION, "cluster": CLUSTER}
    harness.entity(
        "infrastructure",
        "ecs",
        {"infrastructureDefinition": {"identifier": "ecs", "type": "ECS", "spec": spec}},
        parent="prod",
    )
    image = "<+pipeline.variables.image>"
    manifests = [
        inline("task", "EcsTaskDefinition", task_definition(image)),
        inline(
            "service",
            "EcsServiceDefinition",
            service_definition("web", 2, "<+targetGroupArn>"),
        ),
    ]
    definition = {"type": "ECS", "spec": {"manifests": manifests}}
    harness.entity(
        "service",
        "web",
        {"service": {"identifier": "web", "name": "web", "serviceDefinition": definition}},
    )


def inline(identifier: str, kind: str, content: str) -> dict[str, object]:
    store = {"type": "Inline", "spec": {"content": content}}
    return {"manifest": {"identifier": identifier, "type": kind, "spec": {"store": store}}}


def step(identifier: str, kind: str, spec: Mapping[str, object], **more: object) -> dict[str, Any]:
    inner = {"identifier": identifier, "name": identifier, "type": kind, "timeout": "2m"}
    return {"step": {**inner, "spec": spec, **more}}


def shift(weight: int) -> dict[str, Any]:
    wrapper = {"type": "Inherit", "spec": {"weightPercentage": weight}}
    return step(f"shift_{weight}", "EcsBlueGreenTrafficShift", {"ecsTrafficShiftWrapper": wrapper})


def gate(script: str) -> dict[str, Any]:
    source = {"type": "Inline", "spec": {"script": script}}
    return step("gate", "ShellScript", {"shell": "Bash", "onDelegate": True, "source": source})


def pipeline(made: Lab, image: str, steps: Sequence[Mapping[str, Any]]) -> str:
    create = {
        "loadBalancer": "lb",
        "prodListener": made.listeners["prod"],
        "prodListenerRuleArn": made.rules["prod"],
        "isTrafficShift": True,
        "stageTargetGroupArn": made.groups["green"],
    }
    spec = {
        "deploymentType": "ECS",
        "service": {"serviceRef": "web"},
        "environment": {
            "environmentRef": "prod",
            "deployToAll": False,
            "infrastructureDefinitions": [{"identifier": "ecs"}],
        },
        "execution": {
            "steps": [step("create", "EcsBlueGreenCreateService", create), *steps],
            "rollbackSteps": [step("back", "EcsBlueGreenRollback", {})],
        },
    }
    rollback = {"errors": ["AllErrors"], "action": {"type": "StageRollback"}}
    stage = {
        "identifier": "deploy",
        "name": "deploy",
        "type": "Deployment",
        "spec": spec,
        "failureStrategies": [{"onFailure": rollback}],
    }
    document = {
        "identifier": "p",
        "name": "p",
        "orgIdentifier": "default",
        "projectIdentifier": "demo",
        "variables": [{"name": "image", "type": "String", "value": image}],
        "stages": [{"stage": stage}],
    }
    return json.dumps({"pipeline": document})


def test_a_release_shifts_by_shares_and_a_bad_one_goes_back(made: Lab, harness: Harness) -> None:
    assert harness.run(pipeline(made, "web:1", [shift(100)])) == "SUCCEEDED", harness.statuses()
    assert made.weights() == {"blue": 0, "green": 100}
    assert harness.run(pipeline(made, "web:2", [shift(10), gate("true"), shift(100)])) == (
        "SUCCEEDED"
    )
    assert made.weights() == {"blue": 100, "green": 0}
    status = harness.run(pipeline(made, "web:3", [shift(10), gate("exit 1"), shift(100)]))
    assert status == "FAILED"
    statuses = harness.statuses()
    assert (statuses["gate"], statuses["back"]) == ("FAILED", "SUCCEEDED")
    assert "shift_100" not in statuses
    assert made.weights() == {"blue": 100, "green": 0}
    services = made.services()
    assert services["web__2"]["tags"] == {"BG_VERSION": "BLUE"}
    assert (services["web__2"]["desiredCount"], services["web__1"]["desiredCount"]) == (2, 0)
    assert services["web__2"]["taskDefinition"].endswith(":2")
    output = harness.nodes()["create"].outcomes["output"]
    assert isinstance(output, Mapping)
    assert output["serviceName"] == "web__1"
