"""One run of a pipeline as a test reads it, with assertions whose messages say why.

It reads Harness's REST API as any client does; `harness.py` starts runs.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.executions import FINAL, StepRow, stage_rows, step_rows
from sandbox.testing import calls as call_lists
from sandbox.testing.calls import AwsCall

if TYPE_CHECKING:
    from sandbox.harness_client import HarnessClient
    from sandbox.testing.local import LocalSandbox

POLL_S = 0.05
TIMEOUT_S = 60.0
LOG_LINES = 15
GOOD = frozenset({"Success", "IgnoreFailed", "Skipped"})
_ROLLBACK = ".rollbackSteps."
_WAITING = "WAITING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a run, its last attempt."""

    identifier: str
    path: str
    """`stage/group/step`"""
    stage: str
    type: str
    status: str
    """As the API says it: Success, Failed, Running, ..."""
    message: str
    """Why it failed."""
    seconds: float
    is_rollback: bool
    """It is one of the stage's rollback steps."""
    outputs: Mapping[str, Any]
    """Its output variables, and the fields of its `output` outcome."""
    log_keys: tuple[str, ...]
    _run: "PipelineRun" = field(repr=False, compare=False)

    @property
    def log(self) -> str:
        """What it wrote, all its command units one after the other."""
        return "\n".join(self._run.log_lines(self.log_keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a run."""

    identifier: str
    name: str
    type: str
    status: str
    steps: tuple[Step, ...]

    @property
    def rolled_back(self) -> bool:
        """True once a rollback step of it has run, and all that ran succeeded."""
        undone = [step.status for step in self.steps if step.is_rollback]
        return bool(undone) and all(status in GOOD for status in undone)


class PipelineRun:
    """One execution. What it says is read anew each time until the execution has ended."""

    def __init__(
        self,
        sandbox: "LocalSandbox",
        client: "HarnessClient",
        place: tuple[str, str],
        execution_id: str,
        after_call: int,
    ) -> None:
        self.id = execution_id
        self._sandbox = sandbox
        self._client = client
        self._org, self._project = place
        self._after_call = after_call
        self._final: dict[str, Any] | None = None
        self._final_calls: list[AwsCall] | None = None
        self._acted: set[str] = set()

    # What happened

    @property
    def status(self) -> str:
        """The status as the API says it: Success, Failed, ApprovalWaiting, ..."""
        return str(self._summary()["status"])

    @property
    def is_final(self) -> bool:
        """True once it has ended."""
        return self.status in FINAL

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in the order of their start; those not begun are last, `NotStarted`."""
        answer = self._answer()
        steps = self._steps(answer)
        return tuple(
            Stage(
                identifier=row.identifier,
                name=row.name,
                type=row.type,
                status=row.status,
                steps=tuple(step for step in steps if step.stage == row.identifier),
            )
            for row in stage_rows(answer)
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps that have begun, in order, rollback steps too."""
        return self._steps(self._answer())

    def stage(self, identifier: str) -> Stage:
        """Return one stage."""
        __tracebackhide__ = True
        stages = self.stages
        for stage in stages:
            if stage.identifier == identifier:
                return stage
        names = ", ".join(stage.identifier for stage in stages)
        raise AssertionError(f"The pipeline has no stage {identifier}; its stages are {names}.")

    def step(self, name: str) -> Step:
        """Return one step by its identifier, or by its path (`dev/deploy/roll`)."""
        __tracebackhide__ = True
        steps = self.steps
        found = [step for step in steps if name in {step.identifier, step.path}]
        if not found:
            begun = ", ".join(step.path for step in steps) or "none"
            raise AssertionError(f"No step {name} has begun; begun were: {begun}.\n{self}")
        if len({step.path for step in found}) > 1:
            paths = ", ".join(step.path for step in found)
            raise AssertionError(f"Several steps are called {name}; name one of {paths}.")
        return found[-1]

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """The outputs of all steps by path, those without any left out."""
        return {step.path: step.outputs for step in self.steps if step.outputs}

    @property
    def aws_calls(self) -> list[AwsCall]:
        """The AWS calls that this run's steps made, in order."""
        if self._final_calls is not None:
            return self._final_calls
        is_final = self.is_final
        made = self._sandbox.calls(by="pipeline", after=self._after_call)
        if is_final:
            self._final_calls = made
        return made

    def log_lines(self, keys: Sequence[str]) -> list[str]:
        """Return the lines of some logs."""
        return [
            str(line.get("out", "")).rstrip("\n")
            for key in keys
            for line in self._client.log_lines(key)
        ]

    # What to do with it

    def wait(self, timeout_s: float = TIMEOUT_S) -> "PipelineRun":
        """Wait until it has ended, or waits for an approval; returns itself.

        Raises:
            AssertionError: neither within the time; shows where it stands.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        while not self.is_final and not self._open_approvals():
            if time.monotonic() > deadline:
                raise AssertionError(f"The run has not ended within {timeout_s:g} s.\n{self}")
            pause.wait(POLL_S)
        return self

    def approve(
        self,
        *,
        comments: str = "",
        inputs: Mapping[str, str] | None = None,
        wait: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> "PipelineRun":
        """Approve what waits (the oldest), then wait as `wait` does."""
        return self._act("APPROVE", comments, inputs, timeout_s if wait else 0)

    def reject(
        self, *, comments: str = "", wait: bool = True, timeout_s: float = TIMEOUT_S
    ) -> "PipelineRun":
        """Reject what waits (the oldest), then wait as `wait` does."""
        return self._act("REJECT", comments, None, timeout_s if wait else 0)

    def abort(self, *, wait: bool = True, timeout_s: float = TIMEOUT_S) -> "PipelineRun":
        """Abort it, then wait for its end."""
        self._client.interrupt(self._org, self._project, self.id, "AbortAll")
        return self.wait(timeout_s) if wait else self

    # Assertions

    def assert_succeeded(self) -> None:
        """Check that it ended well."""
        __tracebackhide__ = True
        self._expect(self.wait().status in GOOD, "The pipeline did not succeed.")

    def assert_failed(self, step: str = "", *, message: str = "") -> None:
        """Check that it failed, at the step and with the words that are named, if any."""
        __tracebackhide__ = True
        status = self.wait().status
        self._expect(status in FINAL and status not in GOOD, "The pipeline did not fail.")
        failed = self._failed()
        if step:
            names = {name for found in failed for name in (found.identifier, found.path)}
            self._expect(step in names, f"It did not fail at step {step}.")
            failed = [found for found in failed if step in {found.identifier, found.path}]
        texts = [found.message for found in failed]
        self._expect(
            not message or any(message in text for text in texts),
            f"No failed step says {message!r}; they say {texts}.",
        )

    def assert_stages(self, **statuses: str) -> None:
        """Check statuses of stages by identifier: `assert_stages(dev="Success", prod="Failed")`."""
        __tracebackhide__ = True
        real = {identifier: self.stage(identifier).status for identifier in statuses}
        wrong = {k: v for k, v in real.items() if v != statuses[k]}
        self._expect(
            not wrong,
            "; ".join(f"Stage {k} is {v}, not {statuses[k]}" for k, v in wrong.items()) + ".",
        )

    def assert_steps(self, *names: str) -> None:
        """Check that these steps have run well, in this order, others between them or not."""
        __tracebackhide__ = True
        steps = iter(self.steps)
        for name in names:
            is_next = any(
                name in {step.identifier, step.path} and step.status in GOOD for step in steps
            )
            order = f" (in the order {', '.join(names)})" if len(names) > 1 else ""
            self._expect(is_next, f"Step {name} has not run well{order}.")

    def assert_waiting(self, step: str = "") -> None:
        """Check that it waits for an approval, at the named step if one is named."""
        __tracebackhide__ = True
        self.wait()
        waiting = [found for found in self.steps if found.status == "ApprovalWaiting"]
        self._expect(bool(waiting), "Nothing waits for an approval.")
        names = {name for found in waiting for name in (found.identifier, found.path)}
        self._expect(not step or step in names, f"Step {step} does not wait for an approval.")

    def assert_rolled_back(self, stage: str = "") -> None:
        """Check that the stage (any, when none is named) was rolled back, and well."""
        __tracebackhide__ = True
        self.wait()
        stages = [self.stage(stage)] if stage else list(self.stages)
        what = f"Stage {stage}" if stage else "No stage"
        verb = "was not" if stage else "was"
        self._expect(any(found.rolled_back for found in stages), f"{what} {verb} rolled back.")

    def assert_not_rolled_back(self) -> None:
        """Check that no rollback step has run."""
        __tracebackhide__ = True
        ran = [step.path for step in self.wait().steps if step.is_rollback]
        self._expect(not ran, f"Rollback steps have run: {', '.join(ran)}.")

    def assert_aws_calls(self, *names: str) -> None:
        """Check that its steps called these in this order, others between them or not.

        `ecs.CreateService`, `ecs.*` and `CreateService` are all names.
        """
        __tracebackhide__ = True
        made = self.wait().aws_calls
        missing = call_lists.missing_in_order(made, names)
        if missing:
            raise AssertionError(
                f"The run did not call {missing} (in the order {', '.join(names)}).\n"
                f"It called:\n{call_lists.shown(made)}\n{self}"
            )

    # For people

    def __str__(self) -> str:
        """Return the run as text: stages, steps, and why it failed."""
        return "\n".join(self._report())

    def __repr__(self) -> str:
        return f"<PipelineRun {self.id} {self.status}>"

    # Inner

    def _report(self) -> Iterator[str]:
        summary = self._summary()
        yield f"Pipeline {summary['pipelineIdentifier']}: {summary['status']} (run {self.id})"
        for stage in self.stages:
            yield f"  stage {stage.identifier}: {stage.status}"
            for step in stage.steps:
                undo = " (rollback)" if step.is_rollback else ""
                yield f"    {step.path}: {step.status} {step.seconds:.1f} s, {step.type}{undo}"
        failed = self._failed()
        if not failed and (summary.get("failureInfo") or {}).get("message"):
            yield f"  {summary['failureInfo']['message']}"
        for step in failed:
            yield f"  step {step.path} {step.status}: {step.message or 'it gave no reason'}"
            lines = self.log_lines(step.log_keys)
            if lines:
                yield f"  the end of its log ({min(len(lines), LOG_LINES)} of {len(lines)} lines):"
                yield from (f"    | {line}" for line in lines[-LOG_LINES:])

    def _failed(self) -> list[Step]:
        fine = GOOD | {"Running", "Queued", "NotStarted", "ApprovalWaiting", "AsyncWaiting"}
        return [step for step in self.steps if step.status not in fine and step.status in FINAL]

    def _expect(self, is_so: bool, otherwise: str) -> None:  # noqa: FBT001  an assertion reads so
        __tracebackhide__ = True
        if not is_so:
            raise AssertionError(f"{otherwise}\n{self}")

    def _act(
        self, action: str, comments: str, inputs: Mapping[str, str] | None, timeout_s: float
    ) -> "PipelineRun":
        __tracebackhide__ = True
        self.wait()
        waiting = self._open_approvals()
        self._expect(bool(waiting), "Nothing waits for an approval.")
        approval = waiting[0]
        self._client.act_on_approval(approval, action, comments=comments, inputs=inputs)
        self._acted.add(approval)
        return self.wait(timeout_s) if timeout_s else self

    def _open_approvals(self) -> list[str]:
        if self.status != "ApprovalWaiting":
            return []
        rows = self._client.approvals(self._org, self._project, self.id)
        waiting = [row for row in rows if row["status"] == _WAITING]
        ids = [str(row["id"]) for row in sorted(waiting, key=_age)]
        return [identifier for identifier in ids if identifier not in self._acted]

    def _summary(self) -> dict[str, Any]:
        if self._final is None:
            answer = self._client.execution(self._org, self._project, self.id, graph=False)
            summary: dict[str, Any] = answer["pipelineExecutionSummary"]
            if summary["status"] in FINAL:
                self._final = self._client.execution(self._org, self._project, self.id)
            return summary
        final: dict[str, Any] = self._final["pipelineExecutionSummary"]
        return final

    def _answer(self) -> dict[str, Any]:
        self._summary()
        if self._final is not None:
            return self._final
        return self._client.execution(self._org, self._project, self.id)

    def _steps(self, answer: dict[str, Any]) -> tuple[Step, ...]:
        nodes = (answer.get("executionGraph") or {}).get("nodeMap", {})
        return tuple(self._step(row, nodes[row.uuid]) for row in step_rows(answer))

    def _step(self, row: StepRow, node: Mapping[str, Any]) -> Step:
        output = dict((node.get("outcomes") or {}).get("output") or {})
        variables = output.pop("outputVariables", None) or {}
        return Step(
            identifier=row.identifier,
            path=row.path,
            stage=row.stage,
            type=row.type,
            status=row.status,
            message=row.message,
            seconds=row.seconds,
            is_rollback=_ROLLBACK in f"{node['baseFqn']}.",
            outputs={**output, **variables},
            log_keys=row.log_keys,
            _run=self,
        )


def _age(row: Mapping[str, Any]) -> float:
    return float(row.get("createdAt") or 0)
