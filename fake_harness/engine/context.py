"""The expression scope of a node: what `<+...>` means where the node stands.

Roots are made when they are asked for. Source: harness.md 4.7 and harness-core
`AmbianceExpressionEvaluator`; the free prefix search (`child`, `ancestor`) is not built.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from fake_harness.engine.index import PlanIndex
from fake_harness.engine.tree import (
    Tree,
    execution_tree,
    find,
    iteration_facts,
    plain,
    raw,
    variable_value,
    variables_of,
)
from fake_harness.pipeline.expressions import RawText, Unresolved, render
from fake_harness.pipeline.functors import ExportedVariablesFunctor, pure_functors
from fake_harness.pipeline.plan import JsonObject, NodeKind, PlanNode
from fake_harness.status import BROKE, Status
from fake_harness.store import entities
from fake_harness.store.entities import EntityKey, EntityKind, EntityQuery
from fake_harness.store.executions import PlanExecution
from fake_harness.store.node_executions import NodeExecution, latest_attempts

TARGET_GROUP = RawText("<+targetGroupArn>")
"""A literal that the ECS blue/green step replaces; it must survive rendering."""
_GOOD = frozenset({Status.SUCCEEDED, Status.IGNORE_FAILED})
_STAGE_OUTCOMES = ("service", "artifacts", "manifests", "env", "infra", "serviceVariables")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFacts:
    """What all scopes of one execution share during one transaction."""

    connection: Connection
    execution: PlanExecution
    index: PlanIndex
    rows: Sequence[NodeExecution]
    public_url: str
    now: datetime
    pipeline_status: Status = Status.SUCCEEDED
    stage_status: Status = Status.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """Where an expression stands: a node, its row or (before it starts) its parent's."""

    node: PlanNode
    fqn: str
    parent_id: str | None
    strategy: JsonObject | None = None
    identifier: str = ""
    name: str = ""


@dataclass(slots=True)
class NodeScope:
    """A `Scope` (see `pipeline.expressions`) for one standpoint; `extra` roots go first."""

    facts: ScopeFacts
    at: Standpoint
    extra: Mapping[str, object] = field(default_factory=dict)
    _cache: dict[str, object] = field(default_factory=dict)
    _tree: Tree | None = None

    def with_roots(self, roots: Mapping[str, object]) -> "NodeScope":
        """Return this scope with more roots, which win over its own."""
        return NodeScope(self.facts, self.at, {**self.extra, **roots})

    def names(self) -> list[str]:
        """Return the roots that are known here."""
        return sorted({*self.extra, *_ROOTS, *self._functors()})

    def resolve(self, name: str) -> object:
        """Return the value of a root; KeyError when it means nothing here."""
        if name in self.extra:
            return self.extra[name]
        if name not in self._cache:
            self._cache[name] = self._find(name)
        return self._cache[name]

    def _find(self, name: str) -> object:
        if name in _ROOTS:
            return _ROOTS[name](self)
        return self._functors()[name]

    def _functors(self) -> dict[str, object]:
        return pure_functors(lambda: self.facts.now)

    @property
    def tree(self) -> Tree:
        """The whole execution by FQN."""
        if self._tree is None:
            latest = latest_attempts(self.facts.rows)
            self._tree = execution_tree(self.facts.index, latest)
        return self._tree

    def above(self) -> Iterator[NodeExecution]:
        """Yield the rows above the node, nearest first."""
        by_id = {row.id: row for row in self.facts.rows}
        row = by_id.get(self.at.parent_id or "")
        while row is not None:
            yield row
            row = by_id.get(row.parent_id or "")

    def stage_row(self) -> NodeExecution | None:
        """Return the row of the stage that the node is in."""
        return next((row for row in self.above() if row.kind is NodeKind.STAGE), None)

    def stage_fqn(self) -> str:
        """Return the FQN of the stage that the node is in, or is; else nothing."""
        if self.at.node.kind is NodeKind.STAGE:
            return self.at.fqn
        row = self.stage_row()
        return "" if row is None else row.fqn

    def stage_rows(self, *, all_attempts: bool = False) -> list[NodeExecution]:
        """Return the rows of the node's stage, oldest first; the latest attempts only."""
        fqn = self.stage_fqn()
        rows = self.facts.rows if all_attempts else latest_attempts(self.facts.rows)
        return [row for row in rows if fqn and row.fqn.startswith(fqn + ".")]

    def stage_outcome(self, name: str) -> object:
        """Return what an implicit step of the stage found; KeyError when it did not yet."""
        for row in reversed(self.stage_rows()):
            if name in row.outcomes:
                return row.outcomes[name]
        raise KeyError(name)


def resolve(value: object, scope: NodeScope, *, unresolved: Unresolved = "error") -> object:
    """Return `value` with its expressions resolved, as ordinary JSON."""
    return plain(render(value, scope, unresolved=unresolved))


def _pipeline(scope: NodeScope) -> object:
    execution = scope.facts.execution
    by = execution.triggered_by
    return {
        **find(scope.tree, "pipeline"),
        "identifier": execution.pipeline,
        "name": execution.name,
        "executionId": execution.id,
        "sequenceId": execution.run_sequence,
        "startTs": int((execution.started_at or execution.created_at).timestamp() * 1000),
        "triggerType": execution.trigger_type,
        "triggeredBy": {
            "identifier": by.get("identifier", ""),
            "name": by.get("name", by.get("identifier", "")),
            "email": by.get("email", ""),
        },
        "executionUrl": execution_url(execution, scope.facts.public_url),
        "selectedStages": list(execution.stages_executed),
        "tags": dict(execution.tags),
        "variables": variables_of(scope.facts.index.plan.root.variables),
        "currentStatus": scope.facts.pipeline_status.value,
        "orgIdentifier": execution.org,
        "projectIdentifier": execution.project,
        "properties": {"ci": {"codebase": scope.facts.index.plan.codebase or {}}},
    }


def execution_url(execution: PlanExecution, public_url: str) -> str:
    """Return the address of an execution in the console."""
    return (
        f"{public_url}/ng/account/{execution.account}/module/cd/orgs/{execution.org}/projects/"
        f"{execution.project}/pipelines/{execution.pipeline}/executions/{execution.id}/pipeline"
    )


def _stage(scope: NodeScope) -> object:
    fqn = scope.stage_fqn()
    if not fqn:
        raise KeyError("stage")
    return {
        "variables": {},
        **find(scope.tree, fqn),
        **_loop(scope, NodeKind.STAGE),
        "executionUrl": execution_url(scope.facts.execution, scope.facts.public_url),
        "currentStatus": scope.facts.stage_status.value,
    }


def _steps(scope: NodeScope) -> object:
    """Return the steps that are visible: those of the stage, then of each enclosing group."""
    fqn = scope.stage_fqn()
    execution = find(scope.tree, f"{fqn}.spec.execution") if fqn else {}
    merged: dict[str, object] = {}
    for key in ("steps", "rollbackSteps"):
        merged |= dict(find(execution, key))
    groups = [row for row in scope.above() if row.kind is NodeKind.STEP_GROUP]
    for group in reversed(groups):
        for key in ("steps", "rollbackSteps"):
            merged |= dict(find(scope.tree, f"{group.fqn}.{key}"))
    return merged


def _execution(scope: NodeScope) -> object:
    return find(scope.tree, f"{scope.stage_fqn()}.spec.execution")


def _rollback_steps(scope: NodeScope) -> object:
    return find(scope.tree, f"{scope.stage_fqn()}.spec.execution.rollbackSteps")


def _step(scope: NodeScope) -> object:
    at = scope.at
    return {
        "identifier": at.identifier or at.node.identifier,
        "name": at.name or at.node.name,
        "type": at.node.type,
        "executionUrl": execution_url(scope.facts.execution, scope.facts.public_url),
        **_loop(scope, NodeKind.STEP),
    }


def _step_group(scope: NodeScope) -> object:
    for row in scope.above():
        if row.kind is NodeKind.STEP_GROUP:
            return {**find(scope.tree, row.fqn), **_loop(scope, NodeKind.STEP_GROUP)}
    raise KeyError("stepGroup")


def _iterations(scope: NodeScope) -> Iterator[tuple[NodeKind, JsonObject]]:
    """Yield the iterations around the node, its own first."""
    if scope.at.strategy is not None:
        yield scope.at.node.kind, scope.at.strategy
    for row in scope.above():
        if row.strategy is not None:
            yield row.kind, row.strategy


def _loop(scope: NodeScope, kind: NodeKind) -> Tree:
    for found, iteration in _iterations(scope):
        if found is kind:
            return iteration_facts(iteration)
    return {}


def _nearest_loop(key: str) -> Callable[[NodeScope], object]:
    def resolve(scope: NodeScope) -> object:
        merged: Tree = {}
        for _, iteration in reversed(list(_iterations(scope))):
            facts = iteration_facts(iteration)[key]
            merged |= dict(facts) if isinstance(facts, Mapping) else {}
        if not merged:
            raise KeyError(key)
        return merged

    return resolve


def _outcome(name: str) -> Callable[[NodeScope], object]:
    return lambda scope: scope.stage_outcome(name)


def _artifact(scope: NodeScope) -> object:
    artifacts = scope.stage_outcome("artifacts")
    if not isinstance(artifacts, Mapping) or "primary" not in artifacts:
        raise KeyError("artifact")
    return artifacts["primary"]


def _variable(scope: NodeScope) -> object:
    execution = scope.facts.execution
    project = _entity_variables(scope, execution.org, execution.project)
    return {
        **project,
        "project": project,
        "org": _entity_variables(scope, execution.org, ""),
        "account": _entity_variables(scope, "", ""),
    }


def _entity_variables(scope: NodeScope, org: str, project: str) -> dict[str, object]:
    query = EntityQuery(
        kind=EntityKind.VARIABLE,
        account=scope.facts.execution.account,
        org=org,
        project=project,
    )
    found: dict[str, object] = {}
    for entity in entities.list_all(scope.facts.connection, query):
        spec = entity.body.get("spec")
        value = spec.get("fixedValue") if isinstance(spec, Mapping) else None
        found[entity.identifier] = variable_value(str(entity.body.get("type")), value)
    return found


def _entity(kind: EntityKind) -> Callable[[NodeScope], object]:
    def resolve(scope: NodeScope) -> object:
        execution = scope.facts.execution
        org = "" if kind is EntityKind.ORGANIZATION else execution.org
        name = execution.org if kind is EntityKind.ORGANIZATION else execution.project
        key = EntityKey(kind=kind, account=execution.account, org=org, identifier=name)
        entity = entities.get(scope.facts.connection, key)
        if entity is None:
            return {"identifier": name, "name": name, "description": "", "tags": {}}
        return {
            "identifier": name,
            "name": entity.name,
            "description": entity.description,
            "tags": dict(entity.tags),
        }

    return resolve


def _account(scope: NodeScope) -> object:
    account = scope.facts.execution.account
    return {"identifier": account, "name": account, "companyName": account}


def _codebase(scope: NodeScope) -> object:
    return raw(codebase_facts(scope))


def codebase_facts(scope: NodeScope) -> dict[str, object]:
    """Return what is known of the source: the trigger's facts and what the clone found."""
    facts: dict[str, object] = {}
    for row in scope.stage_rows():
        output = row.outcomes.get("output") if row.type == "GitClone" else None
        if isinstance(output, Mapping):
            found = {k: v for k, v in output.items() if k != "outputVariables"}
            nested = output.get("outputVariables")
            found |= dict(nested) if isinstance(nested, Mapping) else {}
            facts |= {k: v for k, v in found.items() if v not in {None, ""}}
    facts |= scope.facts.execution.codebase
    if "commitSha" in facts:
        facts.setdefault("shortCommitSha", str(facts["commitSha"])[:7])
    kind = facts.pop("type", None)
    return {**facts, "build": {"type": kind}} if kind else facts


def _trigger(scope: NodeScope) -> object:
    return raw(scope.facts.execution.trigger)


def _event_payload(scope: NodeScope) -> object:
    return raw(scope.facts.execution.trigger["payload"])


def _exported(scope: NodeScope) -> object:
    values: dict[str, object] = {}
    for row in latest_attempts(scope.facts.rows):
        alias = row.resolved_params.get("outputAlias")
        output = row.outcomes.get("output")
        if not isinstance(alias, Mapping) or not isinstance(output, Mapping):
            continue
        variables = output.get("outputVariables")
        prefix = f"{str(alias.get('scope', 'Pipeline'))[:1].lower()}{str(alias['scope'])[1:]}"
        for name, value in (variables if isinstance(variables, Mapping) else {}).items():
            values[f"{prefix}.{alias['key']}.{name}"] = raw(value)
    return ExportedVariablesFunctor(values)


_ROOTS: Mapping[str, Callable[[NodeScope], object]] = {
    "pipeline": _pipeline,
    "stage": _stage,
    "step": _step,
    "steps": _steps,
    "execution": _execution,
    "rollbackSteps": _rollback_steps,
    "stepGroup": _step_group,
    "strategy": _nearest_loop("strategy"),
    "matrix": _nearest_loop("matrix"),
    "repeat": _nearest_loop("repeat"),
    **{name: _outcome(name) for name in _STAGE_OUTCOMES},
    "artifact": _artifact,
    "variable": _variable,
    "account": _account,
    "org": _entity(EntityKind.ORGANIZATION),
    "project": _entity(EntityKind.PROJECT),
    "codebase": _codebase,
    "trigger": _trigger,
    "eventPayload": _event_payload,
    "exportedVariables": _exported,
    "targetGroupArn": lambda _scope: TARGET_GROUP,
    "Always": lambda _scope: True,
    "OnPipelineSuccess": lambda scope: scope.facts.pipeline_status in _GOOD,
    "OnPipelineFailure": lambda scope: scope.facts.pipeline_status in BROKE,
    "OnStageSuccess": lambda scope: scope.facts.stage_status in _GOOD,
    "OnStageFailure": lambda scope: scope.facts.stage_status in BROKE,
}
