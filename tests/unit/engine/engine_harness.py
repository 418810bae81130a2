"""A real engine on a real database, and a delegate made of rows that answers as scripted."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from fake_harness.crypto import Cipher, load_cipher
from fake_harness.engine.loop import EngineLoop
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.store import (
    approvals,
    delegate_tasks,
    delegates,
    entities,
    executions,
    files,
    node_executions,
    secrets,
    tables,
)
from fake_harness.store.approvals import Activity
from fake_harness.store.database import open_database, transaction
from fake_harness.store.entities import Entity, EntityContent, EntityKey
from fake_harness.store.executions import NewExecution, PlanExecution
from fake_harness.store.node_executions import NodeExecution

SCOPE = {"account": "acc", "org": "default", "project": "demo"}
START = datetime(2026, 11, 23, 12, tzinfo=UTC)

VARIABLES = [
    {"name": "who", "type": "String", "value": "world"},
    {"name": "greeting", "type": "String", "value": "hello <+pipeline.variables.who>"},
    {"name": "token", "type": "Secret", "value": "db_password"},
]


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class EngineUnderTest:
    """An engine on the database in `folder`, whose tables are there.

    `answers[step identifier]` is a result, or a list of results, one an attempt.
    """

    def __init__(
        self, folder: Path, *, time_scale: float = 1.0, database: Engine | None = None
    ) -> None:
        self.now = Clock()
        self.database = database or open_database(f"sqlite:///{folder / 'harness.db'}")
        self.cipher: Cipher = load_cipher(folder / "master.key")
        self.time_scale = time_scale
        self.loop = self.new_loop()
        self.answers: dict[str, Any] = {}
        self.packages: dict[str, list[Mapping[str, Any]]] = {}
        with self.write() as connection:
            self.delegate = self.register(connection)

    def new_loop(self, *, holding: bool = True) -> EngineLoop:
        """Make an engine that has (taken over) the lease, or one that has yet to ask."""
        if holding:
            with self.write() as connection:
                connection.execute(tables.leases.delete())
        loop = EngineLoop(
            database=self.database,
            time_scale=self.time_scale,
            public_url="http://harness",
            now=self.now,
        )
        assert not holding or loop._hold_lease()
        return loop

    def register(self, connection: Connection, name: str = "local", **more: Any) -> Any:
        registration = delegates.Registration(name=name, **more)
        return delegates.register(connection, "acc", registration, now=self.now())

    def write(self) -> Any:
        return transaction(self.database)

    def entity(self, kind: str, identifier: str, yaml: str = "", **more: Any) -> Entity:
        body, parent = more.pop("body", {}), more.pop("parent", "")
        key = EntityKey(
            **{"kind": kind, **SCOPE, **more, "identifier": identifier, "parent": parent}
        )
        with self.write() as connection:
            content = EntityContent(name=identifier, yaml=yaml, body=body)
            return entities.upsert(connection, key, content, now=self.now())

    def file(self, path: str, content: str) -> None:
        entity = self.entity("file", path.replace("/", "_"))
        with self.write() as connection:
            files.write_content(connection, entity, path=path, content=content.encode())

    def secret(self, identifier: str, value: str) -> None:
        entity = self.entity("secret", identifier)
        with self.write() as connection:
            secrets.write_value(connection, entity, value.encode(), cipher=self.cipher)

    def start(self, yaml: str, **more: Any) -> str:
        with self.write() as connection:
            new = NewExecution(**SCOPE, pipeline="p", plan=compile_pipeline(yaml), **more)
            return executions.create_execution(connection, new, now=self.now()).id

    def run(self, yaml: str, **more: Any) -> str:
        """Start a pipeline and answer its tasks until it ends; return its status."""
        self.execution_id = self.start(yaml, **more)
        return self.finish(self.execution_id)

    def finish(self, execution_id: str) -> str:
        self.execution_id = execution_id
        for _ in range(300):
            self.loop.tick()
            if self.execution().status.is_final:
                return self.execution().status.value
            if not self.answer_all():
                return self.execution().status.value
        message = f"no end: {self.statuses()}"
        raise AssertionError(message)

    def answer_all(self) -> bool:
        """Take and answer every task that is offered; False when there was none."""
        with self.write() as connection:
            offers = delegate_tasks.offers(connection, self.delegate, now=self.now())
            for offer in offers:
                task = delegate_tasks.acquire(
                    connection, offer.task_id, self.delegate, now=self.now()
                )
                if task is not None:
                    self._answer(connection, task)
        return bool(offers)

    def _answer(self, connection: Connection, task: Any) -> None:
        node = node_executions.require_node(connection, task.node_execution_id)
        self.packages.setdefault(node.identifier, []).append(task.package)
        answer = self.answers.get(node.identifier, {})
        if isinstance(answer, list):
            answer = answer[min(node.attempt, len(answer) - 1)]
        if answer.get("detached"):
            progress = {"detached": True}
            delegate_tasks.set_progress(
                connection, task.id, self.delegate.id, progress, now=self.now()
            )
            return
        result = {"status": "SUCCEEDED", "outputs": {}, "outputVariables": {}, **answer}
        delegate_tasks.complete(
            connection, task.id, self.delegate.id, result, now=self.now(), cipher=self.cipher
        )

    def act(self, action: str, **inputs: str) -> None:
        with self.write() as connection:
            [approval] = approvals.list_approvals(connection, self.execution_id)
            user = {"identifier": "ada", "name": "Ada", "email": "ada@example.org"}
            activity = Activity(user=user, action=action, approver_inputs=inputs)
            approvals.act(connection, approval.id, activity, now=self.now())

    def execution(self, execution_id: str = "") -> PlanExecution:
        with self.database.connect() as connection:
            return executions.require_execution(connection, execution_id or self.execution_id)

    def nodes(self, execution_id: str = "") -> tuple[NodeExecution, ...]:
        with self.database.connect() as connection:
            return node_executions.list_nodes(connection, execution_id or self.execution_id)

    def node(self, identifier: str) -> NodeExecution:
        """Return the latest attempt of a node."""
        found = [node for node in self.nodes() if node.identifier == identifier]
        return max(found, key=lambda node: node.attempt)

    def statuses(self) -> dict[str, str]:
        return {node.identifier: node.status.value for node in self.nodes()}

    def params(self, identifier: str) -> Mapping[str, Any]:
        """Return the params of a step's last task, as its delegate got them."""
        return self.packages[identifier][-1]["params"]

    def script(self, identifier: str) -> str:
        return self.params(identifier)["source"]["spec"]["script"]


def failed(
    message: str = "boom", kind: str = "APPLICATION_ERROR", **more: Any
) -> Mapping[str, Any]:
    failure = {"message": message, "failureTypes": [kind]}
    return {"status": "FAILED", "failure": failure, **more}


def shell(identifier: str, script: str = "true", **more: Any) -> Mapping[str, Any]:
    spec = {
        "shell": "Bash",
        "onDelegate": True,
        "source": {"type": "Inline", "spec": {"script": script}},
        **more.pop("spec", {}),
    }
    step = {"identifier": identifier, "name": identifier, "type": "ShellScript", "timeout": "10m"}
    return {"step": {**step, "spec": spec, **more}}


def approval(**more: Any) -> Mapping[str, Any]:
    """Return an approval step whose message reads `VARIABLES`."""
    spec = {
        "approvalMessage": "Ship <+pipeline.variables.who>?",
        "includePipelineExecutionHistory": True,
        "approvers": {
            "minimumCount": 1,
            "disallowPipelineExecutor": False,
            "userGroups": ["account._account_all_users"],
        },
        "approverInputs": [{"name": "reason", "defaultValue": "none"}],
        **more,
    }
    return {
        "step": {
            "identifier": "ok",
            "name": "ok",
            "type": "HarnessApproval",
            "timeout": "1d",
            "spec": spec,
        }
    }


def custom(identifier: str, *steps: Any, rollback: Any = (), **more: Any) -> Mapping[str, Any]:
    execution: dict[str, Any] = {"steps": list(steps)}
    if rollback:
        execution["rollbackSteps"] = list(rollback)
    stage = {"identifier": identifier, "name": identifier, "type": "Custom"}
    return {"stage": {**stage, "spec": {"execution": execution}, **more}}


def pipeline(*stages: Any, **more: Any) -> str:
    """Return a pipeline as text; JSON is YAML."""
    head = {
        "identifier": "p",
        "name": "P",
        "orgIdentifier": "default",
        "projectIdentifier": "demo",
        "stages": list(stages),
    }
    return json.dumps({"pipeline": {**head, **more}})
