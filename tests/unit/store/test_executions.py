from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from store_fixtures import NOW, new_execution

from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import NodeKind
from fake_harness.status import Status
from fake_harness.store import events, executions, interrupts, node_executions, triggers
from fake_harness.store.executions import ExecutionQuery, PlanExecution
from fake_harness.store.interrupts import InterruptType
from fake_harness.store.node_executions import NodeExecution


def created(connection: Connection, pipeline: Any = "p", at: Any = NOW, **more: Any) -> Any:
    return executions.create_execution(connection, new_execution(pipeline, **more), now=at)


def node(execution: PlanExecution, name: str = "n", attempt: int = 0, **more: Any) -> Any:
    return NodeExecution(
        id=node_executions.node_execution_id(execution.id, name, "", attempt),
        plan_execution_id=execution.id,
        plan_node_id=name,
        attempt=attempt,
        kind=NodeKind.STEP,
        identifier=name,
        name=name,
        fqn=f"pipeline.{name}",
        created_at=NOW + timedelta(seconds=attempt),
        **more,
    )


def test_run_sequences_count_for_each_pipeline(connection: Connection) -> None:
    assert [created(connection).run_sequence for _ in range(3)] == [1, 2, 3]
    assert created(connection, "other").run_sequence == 1


def test_creating_with_a_known_id_answers_the_first_row(connection: Connection) -> None:
    first = executions.create_execution(connection, new_execution(), now=NOW, execution_id="e")
    again = executions.create_execution(connection, new_execution(), now=NOW, execution_id="e")
    assert again == first
    assert created(connection).run_sequence == 2


def test_the_plan_comes_back_as_it_went_in(connection: Connection) -> None:
    execution = created(connection, trigger={"payload": {"a": 1}}, codebase={"branch": "main"})
    assert execution.plan.pipeline_identifier == "p"
    assert execution.trigger == {"payload": {"a": 1}}
    assert execution.codebase == {"branch": "main"}


def test_only_one_of_two_status_changes_wins(connection: Connection) -> None:
    execution = created(connection)
    change: Any = {"allowed_from": frozenset({Status.QUEUED}), "now": NOW, "cause": "c"}
    assert executions.set_execution_status(connection, execution.id, Status.RUNNING, **change)
    assert not executions.set_execution_status(connection, execution.id, Status.ABORTED, **change)
    seen = events.since(connection, execution.id, 0)
    assert [event.status for event in seen] == [Status.QUEUED, Status.RUNNING]


def test_the_first_start_is_kept_and_the_end_is_noted(connection: Connection) -> None:
    execution = created(connection)
    later = NOW + timedelta(minutes=1)
    anything = frozenset(Status)
    for status, at in [(Status.RUNNING, NOW), (Status.RUNNING, later), (Status.FAILED, later)]:
        executions.set_execution_status(
            connection,
            execution.id,
            status,
            allowed_from=anything,
            now=at,
            cause="c",
            failure={"message": "m"} if status is Status.FAILED else None,
        )
    found = executions.require_execution(connection, execution.id)
    assert (found.started_at, found.ended_at) == (NOW, later)
    assert found.failure == {"message": "m"}
    assert executions.active_execution_ids(connection) == ()


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 3),
        ({"pipeline": "p"}, 2),
        ({"statuses": (Status.QUEUED,)}, 3),
        ({"statuses": (Status.RUNNING,)}, 0),
        ({"search": "OTH"}, 1),
        ({"trigger_types": ("WEBHOOK",)}, 1),
        ({"created_from": NOW + timedelta(seconds=1)}, 2),
        ({"top_level_only": True}, 2),
        ({"project": "nope"}, 0),
    ],
)
def test_executions_are_listed_by_filter_newest_first(
    connection: Connection, filters: Any, count: int
) -> None:
    created(connection)
    created(connection, at=NOW + timedelta(seconds=1), trigger_type="WEBHOOK")
    created(connection, "other", at=NOW + timedelta(seconds=2), parent_execution_id="x")
    page = executions.list_executions(connection, ExecutionQuery(account="acc", **filters))
    assert page.total == len(page.items) == count
    assert list(page.items) == sorted(page.items, key=lambda e: e.created_at, reverse=True)


def test_an_unknown_execution_is_not_found(connection: Connection) -> None:
    with pytest.raises(HarnessError) as missing:
        executions.require_execution(connection, "nope")
    assert missing.value.status == 404


def test_a_node_is_stored_once_with_one_event(connection: Connection) -> None:
    execution = created(connection)
    first = node(execution, resolved_params={"a": [1]}, strategy={"iteration": 0})
    assert node_executions.insert_node(connection, first, cause="c", now=NOW)
    assert not node_executions.insert_node(connection, first, cause="c", now=NOW)
    [found] = node_executions.list_nodes(connection, execution.id)
    assert (found.id, found.status, found.resolved_params) == (first.id, first.status, {"a": [1]})
    assert len(events.since(connection, execution.id, 0)) == 2


def test_a_node_moves_only_from_the_statuses_that_are_allowed(connection: Connection) -> None:
    execution = created(connection)
    row = node(execution)
    node_executions.insert_node(connection, row, cause="c", now=NOW)
    move: Any = {"allowed_from": {Status.QUEUED}, "now": NOW, "cause": "c"}
    changes = {"outcomes": {"output": {"a": 1}}}
    assert node_executions.set_node_status(
        connection, row.id, Status.SUCCEEDED, changes=changes, **move
    )
    assert not node_executions.set_node_status(connection, row.id, Status.FAILED, **move)
    found = node_executions.require_node(connection, row.id)
    assert (found.status, found.version, found.ended_at) == (Status.SUCCEEDED, 1, NOW)
    assert found.outcomes == {"output": {"a": 1}}


def test_known_rows_are_read_again_once_they_changed(connection: Connection) -> None:
    execution = created(connection)
    for name in ("a", "b", "c"):
        node_executions.insert_node(connection, node(execution, name), cause="", now=NOW)
    known = {row.id: row for row in node_executions.list_nodes(connection, execution.id)}
    move: Any = {"allowed_from": {Status.QUEUED}, "now": NOW, "cause": ""}
    a, b, c = (node(execution, name).id for name in ("a", "b", "c"))
    node_executions.set_node_status(connection, a, Status.SUCCEEDED, **move)
    node_executions.change_node(connection, b, {"failure": {"message": "m"}})
    node_executions.insert_node(connection, node(execution, "d"), cause="", now=NOW)
    fresh = node_executions.list_nodes(connection, execution.id, known=known)
    assert fresh == node_executions.list_nodes(connection, execution.id)
    assert [row is known.get(row.id) for row in fresh if row.id == c] == [True]


def test_only_latest_attempts_count(connection: Connection) -> None:
    execution = created(connection)
    for attempt in range(3):
        node_executions.insert_node(connection, node(execution, "a", attempt), cause="", now=NOW)
    node_executions.insert_node(connection, node(execution, "b"), cause="", now=NOW)
    rows = node_executions.list_nodes(connection, execution.id)
    latest = node_executions.latest_attempts(rows)
    assert {(row.identifier, row.attempt) for row in latest} == {("a", 2), ("b", 0)}


def test_interrupts_are_settled_once(connection: Connection) -> None:
    execution = created(connection)
    wish = interrupts.add(connection, execution.id, InterruptType.ABORT_ALL, now=NOW)
    interrupts.mark_handled(connection, wish.id, now=NOW)
    interrupts.mark_handled(connection, wish.id, now=NOW + timedelta(hours=1))
    [found] = interrupts.list_interrupts(connection, execution.id)
    assert found.handled_at == NOW


def test_a_webhook_event_keeps_its_payload_until_it_is_processed(connection: Connection) -> None:
    event = triggers.WebhookEvent(
        id="w", account="acc", source="Github", headers={"x": "y"}, payload="{}", created_at=NOW
    )
    triggers.insert_event(connection, event)
    assert triggers.list_unprocessed(connection) == (triggers.get_event(connection, "w"),)
    triggers.finish_event(connection, "w", status="DONE", message="m", execution_ids=["e"], now=NOW)
    assert triggers.list_unprocessed(connection) == ()
    assert list(triggers.get_event(connection, "w").execution_ids) == ["e"]


def test_scopes_are_kept_apart(connection: Connection) -> None:
    created(connection)
    page = executions.list_executions(connection, ExecutionQuery(account="someone else"))
    assert page.total == 0
