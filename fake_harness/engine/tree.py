"""The tree that `<+pipeline...>` reads: plan and node executions by FQN; pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fake_harness.engine.index import PlanIndex
from fake_harness.pipeline.expressions import RawText
from fake_harness.pipeline.functors import secret_marker
from fake_harness.pipeline.plan import JsonObject, NodeKind, PlanNode, Variable
from fake_harness.store.node_executions import NodeExecution

Tree = dict[str, object]
_WRAPPERS = frozenset({NodeKind.PARALLEL, NodeKind.STRATEGY})


def execution_tree(index: PlanIndex, rows: Iterable[NodeExecution]) -> Tree:
    """Return `{"pipeline": {...}}` with stages, steps, their variables and outcomes.

    Stages are there before they start; steps once they have.
    """
    tree: Tree = {}
    for node in index.plan.root.walk():
        if node.kind in {NodeKind.PIPELINE, NodeKind.STAGE}:
            descend(tree, node.fqn).update(_plan_facts(node))
    for row in rows:
        if row.kind in _WRAPPERS:
            continue
        node = index.by_id[row.plan_node_id]
        descend(tree, row.fqn).update(_plan_facts(node) | _row_facts(row))
        _publish(tree, row, index, node)
    return tree


def descend(tree: Tree, fqn: str) -> Tree:
    """Return the branch at `fqn`, made where it is missing."""
    branch = tree
    for part in fqn.split("."):
        below = branch.setdefault(part, {})
        if not isinstance(below, dict):
            below = branch[part] = {}
        branch = below
    return branch


def find(tree: Mapping[str, object], fqn: str) -> Mapping[str, object]:
    """Return the branch at `fqn`, empty when there is none."""
    branch: object = tree
    for part in fqn.split("."):
        branch = branch.get(part) if isinstance(branch, Mapping) else None
    return branch if isinstance(branch, Mapping) else {}


def variables_of(variables: Sequence[Variable]) -> dict[str, object]:
    """Return name -> value; a Secret's value becomes its marker."""
    return {v.name: variable_value(v.type, v.value) for v in variables}


def variable_value(kind: str, value: object) -> object:
    """Return a variable's value for expressions; secrets stay markers."""
    text = str(value).strip() if value is not None else ""
    if kind == "Secret" and text and "<+" not in text and "${" not in text:
        return secret_marker(text)
    return value


def raw(value: object) -> object:
    """Return `value` with its texts marked as data: they are not searched for expressions."""
    if isinstance(value, str):
        return RawText(value)
    if isinstance(value, Mapping):
        return {str(key): raw(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [raw(item) for item in value]
    return value


def plain(value: object) -> object:
    """Return `value` without the marks of `raw`: ordinary JSON, to be stored or sent."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return value


def _plan_facts(node: PlanNode) -> Tree:
    facts: Tree = {"identifier": node.identifier, "name": node.name, "type": node.type}
    if node.variables:
        facts["variables"] = variables_of(node.variables)
    return facts


def _row_facts(row: NodeExecution) -> Tree:
    status = row.status.value
    facts: Tree = {
        "identifier": row.identifier,
        "name": row.name,
        "status": status,
        "currentStatus": status,
        "liveStatus": status,
        "startTs": _millis(row.started_at),
        "endTs": _millis(row.ended_at),
        "nodeExecutionId": row.id,
    }
    if row.strategy is not None:
        facts |= iteration_facts(row.strategy)
    for name, outcome in row.outcomes.items():
        facts[name] = raw(outcome) if name == "output" else outcome
    return facts


def iteration_facts(iteration: JsonObject) -> Tree:
    """Return `strategy`, `matrix` and `repeat` of an iteration."""
    matrix, repeat = iteration.get("matrix") or {}, iteration.get("repeat") or {}
    strategy = {
        "iteration": iteration["iteration"],
        "iterations": iteration["iterations"],
        "identifierPostFix": iteration["postfix"],
        "matrix": matrix,
        "repeat": repeat,
    }
    return {"strategy": strategy, "matrix": matrix, "repeat": repeat}


def _publish(tree: Tree, row: NodeExecution, index: PlanIndex, node: PlanNode) -> None:
    """Put what a stage's implicit step found where the stage is asked for it."""
    parent = index.parents.get(node.id)
    if parent is None or parent.kind is not NodeKind.STAGE or not row.outcomes:
        return
    stage = descend(tree, row.fqn.rpartition(".spec.")[0])
    if node.type == "Pipeline" and "output" in row.outcomes:
        stage["output"] = raw(row.outcomes["output"])
    spec = stage.setdefault("spec", {})
    if isinstance(spec, dict):
        spec |= {k: v for k, v in row.outcomes.items() if k not in {"output", "service"}}


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
