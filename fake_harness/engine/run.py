"""One execution as `apply` sees it during one transaction: rows, scopes, contexts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from fake_harness.engine.commands import Place
from fake_harness.engine.context import NodeScope, ScopeFacts, Standpoint, resolve
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.index import PlanIndex, is_leaf
from fake_harness.engine.steps.port import StepContext
from fake_harness.engine.world import View, World
from fake_harness.pipeline.durations import parse_duration
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import node_executions
from fake_harness.store.executions import PlanExecution
from fake_harness.store.node_executions import NodeExecution

DEFAULT_TIMEOUT_S = 10 * 3600.0
"""Of a step without `timeout`. Source: harness-core TimeoutParameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An execution, its plan, and what the settings say."""

    execution: PlanExecution
    index: PlanIndex
    now: datetime
    time_scale: float
    public_url: str
    known: Mapping[str, NodeExecution] = field(default_factory=dict)
    """Committed rows by id, which need not be read again while their version stands."""

    def new_row(self, place: Place, *, attempt: int = 0) -> NodeExecution:
        """Return the row of a new attempt, not stored yet."""
        node = place.node
        execution = self.execution
        node_id = node_executions.node_execution_id(execution.id, node.id, place.instance, attempt)
        fqn = place.fqn
        return NodeExecution(
            id=node_id,
            plan_execution_id=execution.id,
            plan_node_id=node.id,
            instance=place.instance,
            attempt=attempt,
            parent_id=place.parent_id,
            kind=node.kind,
            type=node.type,
            identifier=node.identifier + place.postfix,
            name=node.name + place.postfix,
            fqn=fqn,
            created_at=self.now,
            strategy=place.iteration,
            log_base_key=self._log_key(fqn, attempt) if is_leaf(node) else "",
        )

    def _log_key(self, fqn: str, attempt: int) -> str:
        """Return the log base key. Source: harness-core LogStreamingHelper, StepUtils."""
        execution = self.execution
        levels = "/".join(f"level{i}:{part}" for i, part in enumerate(fqn.split(".")))
        retry = f"_{attempt}" if attempt else ""
        return (
            f"accountId:{execution.account}/orgId:{execution.org}/projectId:{execution.project}/"
            f"pipelineId:{execution.pipeline}/runSequence:{execution.run_sequence}/{levels}{retry}"
        )

    def scope(self, connection: Connection, place: Place) -> NodeScope:
        """Return the expression scope of a place, from the rows as they are now."""
        rows = node_executions.list_nodes(connection, self.execution.id, known=self.known)
        view = View(
            World(
                execution=self.execution,
                index=self.index,
                nodes=rows,
                now=self.now,
                engine_since=self.now,
            )
        )
        facts = ScopeFacts(
            connection=connection,
            execution=self.execution,
            index=self.index,
            rows=rows,
            public_url=self.public_url,
            now=self.now,
            pipeline_status=view.pipeline_status(),
            stage_status=view.stage_status(view.rows.get(place.parent_id or "")),
        )
        return NodeScope(
            facts,
            Standpoint(
                node=place.node,
                fqn=place.fqn,
                parent_id=place.parent_id,
                strategy=place.iteration,
                identifier=place.node.identifier + place.postfix,
                name=place.node.name + place.postfix,
            ),
        )

    def timeout_s(self, place: Place, scope: NodeScope) -> float | None:
        """Return the time limit of a node; None when it has none."""
        text = place.node.timeout
        if text is None or text == "":
            return DEFAULT_TIMEOUT_S if is_leaf(place.node) else None
        try:
            return parse_duration(str(resolve(text, scope)))
        except ValueError as error:
            raise NodeFailedError(f"timeout: {error}", "CONFIGURATION_FAILURE") from error

    def deadline(self, timeout_s: float | None) -> datetime | None:
        """Return when a limit that starts now is over. Time limits are not scaled."""
        return None if timeout_s is None else self.now + timedelta(seconds=timeout_s)

    def context(
        self,
        connection: Connection,
        place: Place,
        row: NodeExecution,
        scope: NodeScope,
        params: JsonObject,
        timeout_s: float,
    ) -> StepContext:
        """Return what a step type sees."""
        return StepContext(
            connection=connection,
            execution=self.execution,
            index=self.index,
            place=place,
            row=row,
            scope=scope,
            params=params,
            timeout_s=timeout_s,
            now=self.now,
            time_scale=self.time_scale,
        )


def rendered(params: JsonObject, scope: NodeScope, unrendered: frozenset[str]) -> JsonObject:
    """Return params with expressions resolved, but for the keys in `unrendered`."""
    value = resolve({k: v for k, v in params.items() if k not in unrendered}, scope)
    assert isinstance(value, Mapping)  # noqa: S101 - resolve keeps the shape
    return {**value, **{k: params[k] for k in unrendered if k in params}}
