"""Carry out one command in one transaction; the only writer of statuses.

Every status change is a compare-and-set, and what goes with it (event, delegate task,
approval, next attempt) commits with it: a command that is applied twice changes nothing.
"""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from fake_harness.engine.commands import (
    Begin,
    Command,
    Conclude,
    Discontinue,
    Finish,
    Intervene,
    Launch,
    Place,
    Retry,
    SettleInterrupt,
    ShowStatus,
    Skip,
    Start,
)
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.identity import copy_kept_stages
from fake_harness.engine.index import is_leaf
from fake_harness.engine.iterations import expand_strategy
from fake_harness.engine.reports import failure_of
from fake_harness.engine.run import DEFAULT_TIMEOUT_S, Run, rendered
from fake_harness.engine.steps.registry import start, step_of
from fake_harness.engine.tidy import discontinue_work, end_background, end_work
from fake_harness.errors import HarnessError
from fake_harness.pipeline.expressions import ExpressionError, evaluate_condition
from fake_harness.pipeline.plan import JsonObject, NodeKind
from fake_harness.status import ACTIVE, Status
from fake_harness.store import delegate_tasks, interrupts
from fake_harness.store.executions import set_execution_status
from fake_harness.store.interrupts import InterruptType
from fake_harness.store.node_executions import (
    NodeExecution,
    change_node,
    get_node,
    insert_node,
    set_node_status,
)

_NODE_FAILURES = (NodeFailedError, ExpressionError, HarnessError)
_UNFINISHED = ACTIVE | {Status.NOT_STARTED}


def apply(connection: Connection, command: Command, run: Run) -> None:
    """Carry out `command`; the caller commits. Safe to repeat."""
    match command:
        case Begin():
            _begin(connection, command, run)
        case Start():
            _start(connection, command, run)
        case Launch():
            _launch_queued(connection, command, run)
        case Skip():
            row = replace(run.new_row(command.place), status=Status.SKIPPED, ended_at=run.now)
            row = replace(row, started_at=run.now, run_info=command.run_info)
            insert_node(connection, row, cause=command.cause, now=run.now)
        case Conclude():
            _conclude(connection, command, run)
        case Retry():
            _retry(connection, command, run)
        case Intervene():
            _intervene(connection, command, run)
        case Discontinue():
            _discontinue(connection, command, run)
        case _:
            _move_execution(connection, command, run)


def apply_fault(connection: Connection, command: Start | Launch, run: Run, message: str) -> None:
    """Store a node that the engine could not start as failed, for its failure strategies."""
    row = run.new_row(command.place)
    if isinstance(command, Launch):
        row = replace(row, id=command.node_id)
        set_node_status(
            connection,
            row.id,
            Status.RUNNING,
            allowed_from=_UNFINISHED,
            now=run.now,
            cause=message,
        )
    else:
        row = replace(row, status=Status.RUNNING, started_at=run.now)
        insert_node(connection, row, cause=command.cause, now=run.now)
    change_node(connection, row.id, {"failure": failure_of(message, "UNKNOWN_FAILURE")})


def _begin(connection: Connection, command: Begin, run: Run) -> None:
    if set_execution_status(
        connection,
        run.execution.id,
        Status.RUNNING,
        allowed_from=frozenset({Status.QUEUED}),
        now=run.now,
        cause=command.cause,
    ):
        _start(connection, Start(place=command.place, cause=command.cause), run)
        copy_kept_stages(connection, run)


def _start(connection: Connection, command: Start, run: Run) -> None:
    place = command.place
    row = replace(
        run.new_row(place), status=Status.RUNNING, started_at=run.now, run_info=command.run_info
    )
    try:
        passes = _condition_holds(connection, command, run)
    except _NODE_FAILURES as error:
        if insert_node(connection, row, cause=command.cause, now=run.now):
            change_node(connection, row.id, {"failure": _failure(error)})
        return
    if not passes:
        info = {**(command.run_info or {}), "evaluatedCondition": False}
        row = replace(row, status=Status.SKIPPED, ended_at=run.now, run_info=info)
    if insert_node(connection, row, cause=command.cause, now=run.now) and passes:
        _try(connection, row, place, run)


def _condition_holds(connection: Connection, command: Start, run: Run) -> bool:
    if command.condition is None:
        return True
    return evaluate_condition(command.condition, run.scope(connection, command.place))


def _launch_queued(connection: Connection, command: Launch, run: Run) -> None:
    if not set_node_status(
        connection,
        command.node_id,
        Status.RUNNING,
        allowed_from={Status.QUEUED},
        now=run.now,
        cause=command.cause,
        changes={"started_at": run.now},
    ):
        return
    row = get_node(connection, command.node_id)
    assert row is not None  # noqa: S101 - changed above
    _try(connection, row, command.place, run)


def _try(connection: Connection, row: NodeExecution, place: Place, run: Run) -> None:
    """Start what the node is; a failure of its own is kept on the row for `decide`."""
    try:
        with connection.begin_nested():
            if is_leaf(place.node):
                _launch(connection, row, place, run)
            else:
                _open(connection, row, place, run)
    except _NODE_FAILURES as error:
        change_node(connection, row.id, {"failure": _failure(error)})


def _open(connection: Connection, row: NodeExecution, place: Place, run: Run) -> None:
    """Give a composite its deadline, and a STRATEGY its iterations."""
    scope = run.scope(connection, place)
    changes: dict[str, object] = {"deadline_at": run.deadline(run.timeout_s(place, scope))}
    if place.node.kind is NodeKind.STRATEGY and place.node.strategy is not None:
        changes["resolved_params"] = expand_strategy(place.node.strategy, scope)
    if changes["deadline_at"] is not None or "resolved_params" in changes:
        change_node(connection, row.id, changes)


def _launch(connection: Connection, row: NodeExecution, place: Place, run: Run) -> None:
    """Start a leaf: its params are rendered now, its work is stored with its status."""
    scope = run.scope(connection, place)
    step = step_of(place.node.type)
    timeout_s = run.timeout_s(place, scope) or DEFAULT_TIMEOUT_S
    params = rendered(place.node.params, scope, step.unrendered)
    deadline = run.deadline(timeout_s)
    row = replace(row, deadline_at=deadline, resolved_params=params)
    started = start(step, run.context(connection, place, row, scope, params, timeout_s))
    for task in started.tasks:
        delegate_tasks.insert_task(connection, task, now=run.now)
    set_node_status(
        connection,
        row.id,
        started.status,
        allowed_from={Status.RUNNING},
        now=run.now,
        cause=f"{place.node.type} started",
        changes={"deadline_at": deadline, "resolved_params": params, **started.changes},
    )


def _conclude(connection: Connection, command: Conclude, run: Run) -> None:
    changes: dict[str, object] = dict(command.changes)
    if command.finish and command.place is not None:
        try:
            with connection.begin_nested():
                changes |= _finished(connection, command.node_id, command.place, changes, run)
        except _NODE_FAILURES as error:
            _keep_failure(connection, command, {**changes, "failure": _failure(error)}, run)
            return
    if not _move(connection, command.node_id, command.to, command.cause, changes, run):
        return
    end_work(connection, command.node_id, command.to, now=run.now)
    if command.ends_stage:
        end_background(connection, run.execution.id, command.node_id, now=run.now)
    if command.abort_all:
        interrupts.add(
            connection,
            run.execution.id,
            InterruptType.ABORT_ALL,
            now=run.now,
            created_by={"identifier": "failure strategy", "name": "failure strategy"},
        )


def _finished(
    connection: Connection,
    node_id: str,
    place: Place,
    changes: Mapping[str, object],
    run: Run,
) -> Mapping[str, object]:
    row = get_node(connection, node_id)
    assert row is not None  # noqa: S101 - decide saw it
    outcomes = changes.get("outcomes", row.outcomes)
    row = replace(row, outcomes=outcomes if isinstance(outcomes, Mapping) else {})
    step = step_of(place.node.type)
    scope = run.scope(connection, place)
    return step.finish(run.context(connection, place, row, scope, row.resolved_params, 0.0))


def _keep_failure(
    connection: Connection, command: Conclude, changes: Mapping[str, object], run: Run
) -> None:
    """The step's own finish failed: the next decision answers that failure."""
    _move(connection, command.node_id, Status.RUNNING, "could not finish", changes, run)


def _retry(connection: Connection, command: Retry, run: Run) -> None:
    if not _move(connection, command.node.id, command.to, command.cause, command.changes, run):
        return
    end_work(connection, command.node.id, command.to, now=run.now)
    row = run.new_row(command.place, attempt=command.node.attempt + 1)
    row = replace(row, start_at=command.start_at)
    insert_node(connection, row, cause=command.cause, now=run.now)


def _intervene(connection: Connection, command: Intervene, run: Run) -> None:
    to = Status.INTERVENTION_WAITING
    changes = {**command.changes, "wake_at": command.wake_at}
    if _move(connection, command.node_id, to, command.cause, changes, run):
        end_work(connection, command.node_id, Status.FAILED, now=run.now)


def _discontinue(connection: Connection, command: Discontinue, run: Run) -> None:
    changes = {"wake_at": command.wake_at}
    to = Status.DISCONTINUING
    if _move(connection, command.node_id, to, command.cause, changes, run):
        discontinue_work(connection, command.node_id, now=run.now)


def _move(
    connection: Connection,
    node_id: str,
    to: Status,
    cause: str,
    changes: Mapping[str, object],
    run: Run,
) -> bool:
    return set_node_status(
        connection,
        node_id,
        to,
        allowed_from=_UNFINISHED,
        now=run.now,
        cause=cause,
        changes=changes,
    )


def _move_execution(
    connection: Connection, command: SettleInterrupt | ShowStatus | Finish, run: Run
) -> None:
    if isinstance(command, SettleInterrupt):
        interrupts.mark_handled(connection, command.interrupt_id, now=run.now)
        return
    set_execution_status(
        connection,
        run.execution.id,
        command.to,
        allowed_from=_UNFINISHED,
        now=run.now,
        cause=command.cause,
        failure=command.failure if isinstance(command, Finish) else None,
    )


def _failure(error: Exception) -> JsonObject:
    if isinstance(error, NodeFailedError):
        return error.failure
    message = error.message if isinstance(error, HarnessError) else str(error)
    return failure_of(message, "CONFIGURATION_FAILURE")
