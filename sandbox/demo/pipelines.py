"""Follows the executions that one commit causes, and approves where the demo may."""

import json
import time
from typing import Any

from sandbox import terminal
from sandbox.errors import EnvironmentNotReadyError
from sandbox.executions import FINAL, StepRow, step_rows
from sandbox.harness_client import HarnessClient

ORG, PROJECT = "workshop", "harness_workshop"
_QUIET = frozenset({"NotStarted", "Queued", "Skipped"})


class PipelineWatcher:
    """Watches executions over the API, printing each change of a stage or step."""

    def __init__(self, client: HarnessClient, *, manual: bool) -> None:
        self._client = client
        self._manual = manual
        self._seen: dict[str, str] = {}
        self._told: set[str] = set()

    def follow_commit(self, commit: str, *, wait_s: float = 60) -> list[dict[str, Any]]:
        """Return the final executions that the push of `commit` started, CD last.

        Raises:
            EnvironmentNotReadyError: the push's webhook started nothing in `wait_s`.
        """
        root = self._find(commit, wait_s)
        while True:
            family = self._family(root)
            for execution in family:
                self._show(execution)
                self._approve(execution)
            top = family[0]["pipelineExecutionSummary"]["status"]
            if top in FINAL:
                return family
            time.sleep(0.4)

    def steps(self, execution: dict[str, Any]) -> list[StepRow]:
        """Return the steps of an execution."""
        return step_rows(execution)

    def _find(self, commit: str, wait_s: float) -> str:
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            for row in self._client.executions(ORG, PROJECT, size=10):
                if commit in json.dumps(row.get("moduleInfo")):
                    return str(row["planExecutionId"])
            time.sleep(0.2)
        raise EnvironmentNotReadyError(
            f"The push of {commit[:12]} started no pipeline in {wait_s:.0f} s.",
            hint="sandbox logs git; sandbox logs harness",
        )

    def _family(self, root: str) -> list[dict[str, Any]]:
        """Return the execution and those that its Pipeline stages started."""
        found = [self._client.execution(ORG, PROJECT, root)]
        for row in self._client.executions(ORG, PROJECT, size=20):
            parent = (row.get("parentStageInfo") or {}).get("executionId")
            if parent == root:
                found.append(self._client.execution(ORG, PROJECT, row["planExecutionId"]))
        return found

    def _show(self, execution: dict[str, Any]) -> None:
        pipeline = execution["pipelineExecutionSummary"]["pipelineIdentifier"]
        for step in step_rows(execution):
            if self._seen.get(step.uuid) == step.status or step.status in _QUIET:
                continue
            self._seen[step.uuid] = step.status
            seconds = f" [dim]{step.seconds:.1f} s[/dim]" if step.status in FINAL else ""
            text = f"{pipeline} {step.path}"
            status = terminal.status_text(step.status)
            terminal.err.print(f"    {terminal.plain(text)}: {status}{seconds}")
            if step.message and step.status in FINAL:
                terminal.err.print(f"      [red]{terminal.plain(step.message)}[/red]")

    def _approve(self, execution: dict[str, Any]) -> None:
        if not any(step.status == "ApprovalWaiting" for step in step_rows(execution)):
            return
        identifier = execution["pipelineExecutionSummary"]["planExecutionId"]
        for approval in self._client.approvals(ORG, PROJECT, identifier):
            if approval["status"] != "WAITING" or approval["id"] in self._told:
                continue
            self._told.add(approval["id"])
            if self._manual:
                terminal.err.print(
                    f"    [yellow]waits for you:[/yellow] sandbox pipeline approve {identifier}"
                )
            else:
                self._client.act_on_approval(approval["id"], "APPROVE", comments="make demo")
