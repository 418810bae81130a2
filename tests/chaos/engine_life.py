"""One life of the engine and of a delegate on a database, for tests that end it early.

The delegate keeps its claims in files, as the real one keeps processes: a task that was
begun in an earlier life is attached to, and its effect is not repeated.
"""

import json
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from fake_harness.crypto import Cipher, load_cipher
from fake_harness.engine.loop import EngineLoop
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.store import approvals, delegate_tasks, delegates, executions, logs, tables
from fake_harness.store.approvals import Activity, ApprovalStatus
from fake_harness.store.database import create_tables, open_database, transaction
from fake_harness.store.executions import NewExecution

SCOPE = {"account": "acc", "org": "default", "project": "demo"}


def now() -> datetime:
    return datetime.now(UTC)


def database_in(folder: Path) -> Engine:
    database = open_database(f"sqlite:///{folder / 'harness.db'}")
    assert tables.entities is not None
    create_tables(database)
    return database


def add_execution(database: Engine, text: str, execution_id: str) -> None:
    new = NewExecution(**SCOPE, pipeline="p", plan=compile_pipeline(text))
    with transaction(database) as connection:
        executions.create_execution(connection, new, now=now(), execution_id=execution_id)


def kill_at(database: Engine, number: int) -> Callable[[], int]:
    """Kill this process at its `number`th point; return a count of those so far.

    Points are the begin and the commit of every transaction: a death between them leaves
    what a death at the begin leaves.
    """
    seen = 0

    def point() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(database, "before_cursor_execute")
    def _statement(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN"):
            point()

    @event.listens_for(database, "commit")
    def _commit(_connection: Any) -> None:
        point()

    return lambda: seen


class FakeDelegate:
    """Answers tasks from rows; `fails(step, attempt)` says which break."""

    def __init__(self, database: Engine, folder: Path, fails: Callable[[str, int], bool]) -> None:
        self.database = database
        self.folder = folder
        self.fails = fails
        self.cipher: Cipher = load_cipher(folder / "master.key")
        with transaction(database) as connection:
            registration = delegates.Registration(name="d")
            self.me = delegates.register(connection, "acc", registration, now=now())

    def work(self, *, at_most: int = 100) -> None:
        """Take, do and report what is offered, each in a transaction of its own."""
        with self.database.connect() as connection:
            offers = delegate_tasks.offers(connection, self.me, now=now())
        for offer in offers[:at_most]:
            with transaction(self.database) as connection:
                task = delegate_tasks.acquire(connection, offer.task_id, self.me, now=now())
            if task is not None:
                self._do(task)

    def _do(self, task: Any) -> None:
        step, attempt = task.package["stepIdentifier"], task.package["attempt"]
        claim = self.folder / f"claim-{task.id}"
        if not claim.exists():
            with (self.folder / "effects").open("a") as file:
                file.write(f"{task.plan_execution_id} {step} {attempt}\n")
            claim.touch()
        key = task.package["logBaseKey"]
        for offset, line in enumerate(("one", "two")):
            with transaction(self.database) as connection:
                logs.append_lines(connection, "acc", key, lines=[line], offset=offset, now=now())
        result: dict[str, Any] = {"status": "SUCCEEDED", "outputVariables": {"X": step}}
        if self.fails(step, attempt):
            failure = {"message": "broke", "failureTypes": ["APPLICATION_ERROR"]}
            result = {"status": "FAILED", "failure": failure}
        with transaction(self.database) as connection:
            delegate_tasks.complete(
                connection, task.id, self.me.id, result, now=now(), cipher=self.cipher
            )


def approve_all(database: Engine, execution_id: str) -> None:
    with database.connect() as connection:
        waiting = [
            approval.id
            for approval in approvals.list_approvals(connection, execution_id)
            if approval.status is ApprovalStatus.WAITING
        ]
    for approval_id in waiting:
        with transaction(database) as connection:
            activity = Activity(user={"identifier": "ada"}, action="APPROVE")
            approvals.act(connection, approval_id, activity, now=now())


def shell(identifier: str, **more: Any) -> dict[str, Any]:
    source = {"type": "Inline", "spec": {"script": "true"}}
    spec = {"shell": "Bash", "onDelegate": True, "source": source}
    step = {"identifier": identifier, "name": identifier, "type": "ShellScript", "timeout": "10m"}
    return {"step": {**step, "spec": spec, **more}}


def road(*, short: bool = False) -> str:
    """Return a pipeline with what can go wrong: parallel, loop, retry, approval, rollback.

    The short one has only the last three.
    """
    retry = {
        "type": "Retry",
        "spec": {
            "retryCount": 1,
            "retryIntervals": ["1s"],
            "onRetryFailure": {"action": {"type": "MarkAsFailure"}},
        },
    }
    retried = [{"onFailure": {"errors": ["AllErrors"], "action": retry}}]
    rolled_back = [{"onFailure": {"errors": ["AllErrors"], "action": {"type": "StageRollback"}}}]
    approval = {
        "identifier": "ok",
        "name": "ok",
        "type": "HarnessApproval",
        "timeout": "1d",
        "spec": {
            "approvalMessage": "?",
            "includePipelineExecutionHistory": True,
            "approvers": {
                "minimumCount": 1,
                "disallowPipelineExecutor": False,
                "userGroups": ["account._account_all_users"],
            },
        },
    }
    flaky = shell("flaky", failureStrategies=retried)
    more = [
        shell("build"),
        {"parallel": [flaky, shell("test")]},
        shell("loop", strategy={"matrix": {"v": ["a", "b"]}}),
    ]
    first = [*([flaky] if short else more), {"step": approval}]
    return json.dumps(
        {
            "pipeline": {
                "identifier": "p",
                "name": "P",
                "orgIdentifier": "default",
                "projectIdentifier": "demo",
                "stages": [
                    _stage("ci", {"steps": first}),
                    _stage(
                        "cd",
                        {"steps": [shell("up"), shell("gate")], "rollbackSteps": [shell("down")]},
                        failureStrategies=rolled_back,
                    ),
                ],
            }
        }
    )


def _stage(identifier: str, execution: dict[str, Any], **more: Any) -> dict[str, Any]:
    stage = {"identifier": identifier, "name": identifier, "type": "Custom"}
    return {"stage": {**stage, "spec": {"execution": execution}, **more}}


EXPECTED_EFFECTS = sorted(
    ["build 0", "flaky 0", "flaky 1", "test 0", "loop_0 0", "loop_1 0", "up 0", "gate 0", "down 0"]
)
SHORT_EFFECTS = sorted(["flaky 0", "flaky 1", "up 0", "gate 0", "down 0"])
"""Of one execution of `road` in which `flaky` fails once and `gate` always."""


def breaks(step: str, attempt: int) -> bool:
    return step == "gate" or (step == "flaky" and attempt == 0)


def live(folder: Path, crash_at: int = 0) -> int:
    """Run the engine and the delegate until the execution `e` ends; return the points passed."""
    database = database_in(folder)
    points = kill_at(database, crash_at)
    engine = EngineLoop(database=database, time_scale=1000, public_url="")
    engine._hold_lease()
    delegate = FakeDelegate(database, folder, breaks)
    while True:
        engine.tick()
        with database.connect() as connection:
            if executions.require_execution(connection, "e").status.is_final:
                return points()
        delegate.work()
        approve_all(database, "e")
