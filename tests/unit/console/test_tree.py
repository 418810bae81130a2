from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fake_harness.console.tree import (
    Forest,
    TreeNode,
    chosen_stage,
    chosen_step,
    live_status,
    most_interesting,
    stage_of,
)
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.plan import NodeKind, Plan
from fake_harness.status import Status
from fake_harness.store.node_executions import NodeExecution

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def step(name: str) -> str:
    return f"- step: {{identifier: {name}, name: {name}, type: Wait, spec: {{duration: 10s}}}}"


def stage(name: str, *steps: str, rollback: str = "") -> str:
    body = "\n".join(f"            {line}" for line in "\n".join(steps).split("\n"))
    undo = f"\n          rollbackSteps:\n            {rollback}" if rollback else ""
    return f"""stage:
      identifier: {name}
      name: {name}
      type: Custom
      spec:
        execution:
          steps:
{body}{undo}"""


def plan(*stages: str) -> Plan:
    items = "\n".join("    - " + text.replace("\n", "\n    ") for text in stages)
    return compile_pipeline(f"pipeline:\n  identifier: p\n  name: P\n  stages:\n{items}\n")


@pytest.fixture
def small() -> Plan:
    return plan(stage("one", step("a"), step("b"), rollback=step("undo")), stage("two", step("c")))


class Rows:
    """Rows of plan nodes, made by their identifiers."""

    def __init__(self, of: Plan) -> None:
        self._nodes = {node.id: node for node in of.root.walk()}
        self._parents = {}
        for node in of.root.walk():
            below = [*node.children, *([node.rollback] if node.rollback else [])]
            self._parents |= {child.id: node.id for child in below}
        self.made: list[NodeExecution] = []

    def add(self, identifier: str, status: Status, **more: Any) -> None:
        found = [n for n in self._nodes.values() if identifier in {n.identifier, n.id}]
        node = found[0]
        if (parent := self._parents.get(node.id)) and not self._has(parent):
            self.add(parent, Status.RUNNING)
        attempt = more.get("attempt", 0)
        self.made.append(
            NodeExecution(
                id=f"{node.id}#{attempt}",
                plan_execution_id="e",
                plan_node_id=node.id,
                parent_id=f"{parent}#0" if parent else None,
                kind=node.kind,
                type=node.type,
                identifier=node.identifier,
                name=node.name,
                fqn=node.fqn,
                status=status,
                created_at=NOW,
                **more,
            )
        )

    def _has(self, plan_node_id: str) -> bool:
        return any(row.plan_node_id == plan_node_id for row in self.made)


def names(nodes: Any) -> list[tuple[str, str]]:
    return [(node.identifier, node.status.value) for node in nodes]


def test_plan_alone_is_shown_as_not_started(small: Plan) -> None:
    columns = Forest(small, []).columns()
    assert [names(column) for column in columns] == [
        [("one", "NOT_STARTED")],
        [("two", "NOT_STARTED")],
    ]
    assert names(columns[0][0].children) == [("a", "NOT_STARTED"), ("b", "NOT_STARTED")]
    assert chosen_step(columns[0][0], "") is None


def test_rows_take_their_places_in_the_plan_and_rollback_comes_last(small: Plan) -> None:
    rows = Rows(small)
    rows.add("a", Status.FAILED)
    rows.add("undo", Status.RUNNING)
    (one,) = Forest(small, rows.made).columns()[0]
    assert [child.identifier for child in one.children[:2]] == ["a", "b"]
    rollback = one.children[-1]
    assert rollback.kind is NodeKind.ROLLBACK
    assert names(rollback.children) == [("undo", "RUNNING")]


def test_only_the_last_attempt_is_in_the_tree(small: Plan) -> None:
    rows = Rows(small)
    rows.add("a", Status.FAILED)
    rows.add("a", Status.RUNNING, attempt=1)
    (one,) = Forest(small, rows.made).columns()[0]
    assert [(c.identifier, c.attempt) for c in one.children if c.is_started] == [("a", 1)]


def test_stage_shows_that_something_in_it_waits_for_a_person(small: Plan) -> None:
    rows = Rows(small)
    rows.add("a", Status.APPROVAL_WAITING)
    (one,) = Forest(small, rows.made).columns()[0]
    assert one.status is Status.APPROVAL_WAITING


def test_parallel_stages_share_a_column() -> None:
    both = "parallel:\n" + "\n".join(
        "      - " + stage(name, step(name + "s")).replace("\n", "\n      ") for name in ("x", "y")
    )
    columns = Forest(plan(both, stage("z", step("c"))), []).columns()
    assert [[s.identifier for s in column] for column in columns] == [["x", "y"], ["z"]]


def test_choice_falls_on_what_was_asked_for_else_on_what_happens(small: Plan) -> None:
    rows = Rows(small)
    rows.add("a", Status.SUCCEEDED)
    rows.add("c", Status.RUNNING)
    rows.made = [
        replace(row, status=Status.SUCCEEDED) if row.identifier == "one" else row
        for row in rows.made
    ]
    columns = Forest(small, rows.made).columns()
    assert chosen_stage(columns, "one") is columns[0][0]
    assert chosen_stage(columns, "") is columns[1][0]
    step_a = columns[0][0].children[0]
    assert stage_of(columns, step_a.id) is columns[0][0]
    assert chosen_step(columns[0][0], step_a.id) is step_a
    assert chosen_step(columns[0][0], "nope") is step_a


def node(status: Status) -> TreeNode:
    return TreeNode(
        id=status.value,
        kind=NodeKind.STEP,
        type="Wait",
        identifier=status.value,
        name=status.value,
        status=status,
        started_at=None if status is Status.NOT_STARTED else NOW,
    )


@pytest.mark.parametrize(
    ("statuses", "chosen"),
    [
        (["SUCCEEDED", "TASK_WAITING", "APPROVAL_WAITING", "FAILED"], "APPROVAL_WAITING"),
        (["FAILED", "TASK_WAITING"], "TASK_WAITING"),
        (["SUCCEEDED", "FAILED", "SKIPPED"], "FAILED"),
        (["SUCCEEDED", "IGNORE_FAILED", "SKIPPED"], "IGNORE_FAILED"),
        (["NOT_STARTED"], "NOT_STARTED"),
    ],
)
def test_most_interesting_comes_first(statuses: list[str], chosen: str) -> None:
    found = most_interesting([node(Status(status)) for status in statuses])
    assert found is not None
    assert found.status == chosen
    assert most_interesting([]) is None


@pytest.mark.parametrize("own", [Status.SUCCEEDED, Status.QUEUED, Status.FAILED])
def test_what_does_not_run_keeps_its_status(own: Status) -> None:
    assert live_status(own, [Status.APPROVAL_WAITING]) is own
