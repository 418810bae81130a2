"""An execution in memory: commands change rows, a script says how steps end.

It knows of rows what `apply` does with them and nothing of how `decide` chooses.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fake_harness.engine import commands
from fake_harness.engine.decide import decide
from fake_harness.engine.index import PlanIndex, is_leaf
from fake_harness.engine.run import Run
from fake_harness.engine.world import World
from fake_harness.pipeline.plan import NodeKind, Plan
from fake_harness.status import Status
from fake_harness.store.delegate_tasks import DelegateTask, TaskStatus
from fake_harness.store.executions import PlanExecution
from fake_harness.store.interrupts import Interrupt, InterruptType

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Simulation:
    """`results[step]` lists how its attempts end: True, False, or (status, failure type)."""

    def __init__(
        self, plan: Plan, results: Any = None, *, iterations: Any = 3, stages_executed: Any = ()
    ) -> None:
        self.index = PlanIndex.of(plan)
        self.results = results or {}
        self.iterations = iterations
        self.now = START
        self.rows = {}
        self.tasks = {}
        self.interrupts = []
        self.order = []
        self.statuses_shown = []
        self.execution = PlanExecution(
            id="e",
            account="a",
            org="default",
            project="demo",
            pipeline="p",
            name="P",
            run_sequence=1,
            status=Status.QUEUED,
            version=0,
            plan_json="",
            inputs_yaml="",
            input_set_references=(),
            trigger_type="MANUAL",
            triggered_by={},
            trigger={},
            codebase={},
            tags={},
            notes="",
            stages_executed=stages_executed,
            parent_execution_id=None,
            parent_node_execution_id=None,
            rerun_of=None,
            retry_of=None,
            retry_stages=(),
            failure=None,
            created_at=START,
            started_at=None,
            ended_at=None,
        )

    @property
    def world(self) -> Any:
        return World(
            execution=self.execution,
            index=self.index,
            nodes=tuple(self.rows.values()),
            interrupts=tuple(self.interrupts),
            tasks=self.tasks,
            now=self.now,
            engine_since=START,
        )

    def decide(self) -> Any:
        return decide(self.world)

    def settle(self) -> Any:
        """Decide and apply until there is nothing to do; return the number of rounds."""
        for rounds in range(1000):
            found = self.decide()
            if not found:
                return rounds
            for command in found:
                self.apply(command)
        message = "decide never comes to rest"
        raise AssertionError(message)

    def run(self) -> Any:
        """Settle, end what runs as scripted, and so on until the execution is final."""
        for _ in range(1000):
            self.settle()
            if self.execution.status.is_final:
                return self.execution.status
            if not self.finish_one():
                self.now += timedelta(seconds=30)
        message = f"no end: {self.statuses()}"
        raise AssertionError(message)

    def finish_one(self, choose: Any = lambda open_tasks: open_tasks[0]) -> Any:
        """End one task of those that run; False when there is none."""
        open_tasks = [t for ts in self.tasks.values() for t in ts if t.result is None]
        open_tasks = [t for t in open_tasks if t.status is TaskStatus.ACQUIRED]
        if not open_tasks:
            return False
        task = choose(open_tasks)
        row = self.rows[task.node_execution_id]
        script = self.results.get(row.identifier, self.results.get(row.plan_node_id, ()))
        how = script[min(row.attempt, len(script) - 1)] if script else True
        self.finish(row.id, how)
        return True

    def finish(self, row_id: str, how: Any = True) -> None:
        status, kind = how if isinstance(how, tuple) else ("SUCCEEDED" if how else "FAILED", None)
        failure = None
        if status != "SUCCEEDED":
            failure = {"message": f"{row_id} broke", "failureTypes": [kind or "UNKNOWN_FAILURE"]}
        task = self.tasks[row_id][0]
        result = {"status": status, "failure": failure, "outputs": {}}
        self.tasks[row_id] = [replace(task, status=TaskStatus.COMPLETED, result=result)]

    def interrupt(self, kind: Any, node: Any = None) -> None:
        self.interrupts.append(
            Interrupt(
                seq=len(self.interrupts),
                id=str(len(self.interrupts)),
                plan_execution_id="e",
                node_execution_id=None if node is None else self.row(node).id,
                type=InterruptType(kind),
                created_by={},
                created_at=self.now,
                handled_at=None,
            )
        )

    def row(self, name: str) -> Any:
        """Return the latest attempt whose identifier or plan node is `name`."""
        found = [r for r in self.rows.values() if name in {r.identifier, r.plan_node_id}]
        return max(found, key=lambda r: r.attempt)

    def statuses(self) -> Any:
        return {(r.identifier, r.attempt): r.status.value for r in self.rows.values()}

    def status(self, name: str) -> Any:
        return self.row(name).status.value

    def ran(self) -> Any:
        """Return the identifiers of the steps that really ran, in order."""
        return self.order

    def apply(self, command: Any) -> None:  # noqa: C901 - one case a command
        match command:
            case commands.Begin():
                self.execution = replace(self.execution, status=Status.RUNNING)
                self._start(command.place, 0)
            case commands.Start():
                assert self._run().new_row(command.place).id not in self.rows, "started twice"
                self._start(command.place, 0)
            case commands.Skip():
                row = self._run().new_row(command.place)
                assert row.id not in self.rows, "skipped what was started"
                self.rows[row.id] = replace(row, status=Status.SKIPPED, ended_at=self.now)
            case commands.Launch():
                assert self.rows[command.node_id].status is Status.QUEUED
                self._launch(self.rows[command.node_id])
            case commands.Retry():
                self._move(command.node.id, command.to, command.changes)
                row = self._run().new_row(command.place, attempt=command.node.attempt + 1)
                assert row.id not in self.rows, "retried twice"
                self.rows[row.id] = replace(row, start_at=command.start_at)
            case commands.Conclude():
                self._move(command.node_id, command.to, command.changes)
                if command.abort_all:
                    self.interrupt("AbortAll")
            case commands.Intervene():
                changes = {**command.changes, "wake_at": command.wake_at}
                self._move(command.node_id, Status.INTERVENTION_WAITING, changes)
            case commands.Discontinue():
                self._move(command.node_id, Status.DISCONTINUING, {"wake_at": command.wake_at})
            case commands.SettleInterrupt():
                self.interrupts = [
                    replace(i, handled_at=self.now) if i.id == command.interrupt_id else i
                    for i in self.interrupts
                ]
            case commands.ShowStatus() | commands.Finish():
                self.statuses_shown.append(command.to.value)
                self.execution = replace(self.execution, status=command.to)

    def _run(self) -> Any:
        return Run(
            execution=self.execution, index=self.index, now=self.now, time_scale=1, public_url=""
        )

    def _start(self, place: Any, attempt: int) -> None:
        row = replace(
            self._run().new_row(place, attempt=attempt), status=Status.RUNNING, started_at=self.now
        )
        if place.node.timeout:
            limit = timedelta(seconds=float(place.node.timeout))
            row = replace(row, deadline_at=self.now + limit)
        if place.node.kind is NodeKind.STRATEGY:
            total = self.iterations
            looping = {
                "iterations": [
                    {"iteration": i, "iterations": total, "postfix": f"_{i}"} for i in range(total)
                ],
                "maxConcurrency": place.node.strategy.max_concurrency,
            }
            row = replace(row, resolved_params=looping)
        self.rows[row.id] = row
        if is_leaf(place.node):
            self._launch(row)

    def _launch(self, row: Any) -> None:
        self.order.append(row.identifier)
        self.rows[row.id] = replace(row, status=Status.TASK_WAITING)
        self.tasks[row.id] = [
            DelegateTask(
                id=row.id,
                account="a",
                plan_execution_id="e",
                node_execution_id=row.id,
                type=row.type,
                package={},
                selectors=(),
                status=TaskStatus.ACQUIRED,
                delegate_id="d",
                created_at=self.now,
                acquired_at=self.now,
                lease_until=None,
                abort_requested_at=None,
                ended_at=None,
                progress={},
                result=None,
            )
        ]

    def _move(self, row_id: str, to: Any, changes: Any) -> None:
        row = self.rows[row_id]
        assert not row.status.is_final, f"{row.identifier} was final: {row.status}"
        ended = self.now if to.is_final else None
        self.rows[row_id] = replace(row, **changes, status=to, ended_at=ended)
