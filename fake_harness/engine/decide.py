"""What happens next in an execution: facts in, commands out; pure, no I/O.

`decide` walks the plan beside the node executions that exist. It returns nothing when
nothing is to be done, and never names a node that was started already.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from fake_harness.engine.commands import (
    Begin,
    Command,
    Conclude,
    Finish,
    Place,
    SettleInterrupt,
    ShowStatus,
    Skip,
    Start,
)
from fake_harness.engine.index import is_leaf
from fake_harness.engine.leaf import advance_leaf
from fake_harness.engine.rollback import (
    group_rollback,
    pipeline_rollback,
    stage_rollback,
    wants_stage_rollback,
)
from fake_harness.engine.rollup import live_status, roll_up
from fake_harness.engine.when import gate
from fake_harness.engine.world import Halt, View, World
from fake_harness.pipeline.plan import JsonObject, NodeKind
from fake_harness.status import BROKE, Status
from fake_harness.store.interrupts import Interrupt, InterruptType
from fake_harness.store.node_executions import NodeExecution

_ENDED_BADLY = BROKE | {Status.ABORTED}
_LASTING = frozenset({InterruptType.ABORT_ALL, InterruptType.EXPIRE_ALL, InterruptType.ABORT})
_AT_ONCE = frozenset({InterruptType.PAUSE, InterruptType.RESUME})


def decide(world: World) -> list[Command]:
    """Return the commands that move an execution on; empty when it can only wait."""
    if world.execution.status.is_final:
        return []
    view = View(world)
    root = Place(node=world.index.plan.root)
    row = view.row(root)
    if row is None:
        if view.is_aborted(None):
            return [Finish(to=Status.ABORTED, cause="aborted before it started")]
        return [] if view.paused else [Begin(place=root, cause="execution was created")]
    if row.status.is_final:
        return [
            *_settled(view, everything=True),
            Finish(to=row.status, cause="pipeline ended", failure=row.failure),
        ]
    return [*_settled(view), *_advance(view, root), *_shown(view)]


def _advance(view: View, place: Place) -> list[Command]:
    row = view.row(place)
    if row is None:
        return _begin(view, place)
    if row.status.is_final:
        return []
    if is_leaf(place.node):
        return advance_leaf(view, place, row)
    if row.failure is not None:
        return [_failed_to_start(row)]
    return _COMPOSITES[place.node.kind](view, place, row)


def _begin(view: View, place: Place) -> list[Command]:
    """Start or skip a node that has no row yet, unless the execution is held up."""
    parent = view.rows[place.parent_id or ""]
    rolling_back = place.node.kind is NodeKind.ROLLBACK
    if view.halt(parent, rolling_back=rolling_back) is not None:
        return []
    verdict = gate(
        place.node,
        pipeline_status=view.pipeline_status(),
        stage_status=view.stage_status(parent),
        in_rollback=view.index.in_rollback(place.node),
        pipeline_rolls_back=_pipeline_rolls_back(view),
        of_iteration=place.iteration is not None,
    )
    if not _is_selected(view, place):
        unselected = {"whenCondition": "the stage was not selected", "evaluatedCondition": False}
        return [Skip(place=place, run_info=unselected, cause="the stage was not selected")]
    if not verdict.passes:
        info = verdict.run_info(evaluated=False)
        return [Skip(place=place, run_info=info, cause=f"{verdict.text} is false")]
    return [
        Start(
            place=place,
            cause=f"{verdict.text} is true",
            condition=verdict.condition,
            run_info=verdict.run_info(evaluated=True),
        )
    ]


def _is_selected(view: View, place: Place) -> bool:
    wanted = view.world.execution.stages_executed
    is_stage = place.node.kind is NodeKind.STAGE and place.iteration is None
    return not wanted or not is_stage or place.node.identifier in wanted


def _pipeline_rolls_back(view: View) -> bool:
    root = view.row(Place(node=view.index.plan.root))
    return root is not None and view.advised(root.id, "PipelineRollback")


def _failed_to_start(row: NodeExecution) -> Command:
    return Conclude(node_id=row.id, to=Status.FAILED, cause="could not start")


def _kids(place: Place, row: NodeExecution) -> list[Place]:
    return [
        Place(node=child, instance=place.instance, parent_id=row.id, renames=place.renames)
        for child in place.node.children
    ]


def _sequence(
    view: View,
    kids: Sequence[Place],
    row: NodeExecution,
    *,
    stops: Callable[[NodeExecution], bool],
) -> list[Command] | Status:
    """Advance children in order; a Status says that all is over and how it ended."""
    ended: list[Status] = []
    for kid in kids:
        kid_row = view.row(kid)
        if kid_row is None:
            halt = view.halt(row, rolling_back=kid.node.kind is NodeKind.ROLLBACK)
            if halt is Halt.ABORTED:
                return roll_up((*ended, Status.ABORTED))
            if halt is Halt.EXPIRED:
                return roll_up((*ended, Status.EXPIRED))
            return _begin(view, kid)
        if not kid_row.status.is_final:
            return _advance(view, kid)
        ended.append(kid_row.status)
        if stops(kid_row):
            break
    return roll_up(ended)


def _parallel(
    view: View, kids: Iterable[Place], row: NodeExecution, *, limit: int | None = None
) -> list[Command] | Status:
    """Advance children at the same time, `limit` of them at once; all run to their end."""
    commands: list[Command] = []
    ended: list[Status] = []
    active = 0
    waiting: list[Place] = []
    for kid in kids:
        kid_row = view.row(kid)
        if kid_row is None:
            waiting.append(kid)
        elif kid_row.status.is_final:
            ended.append(kid_row.status)
        else:
            active += 1
            commands += _advance(view, kid)
    halt = view.halt(row)
    if waiting and halt not in {Halt.ABORTED, Halt.EXPIRED}:
        free = len(waiting) if limit is None else max(0, limit - active)
        for kid in waiting[:free]:
            commands += _begin(view, kid)
        return commands
    if active:
        return commands
    if waiting:
        ended.append(Status.ABORTED if halt is Halt.ABORTED else Status.EXPIRED)
    return roll_up(ended)


def _concluded(view: View, row: NodeExecution, outcome: list[Command] | Status) -> list[Command]:
    """Return the commands, or the end of `row` with the first failure below it."""
    if isinstance(outcome, list):
        return outcome
    failure = _first_failure(view, row) if outcome in _ENDED_BADLY else None
    changes: Mapping[str, object] = {} if failure is None else {"failure": failure}
    cause = f"all below ended: {outcome.value}"
    ends_stage = row.kind is NodeKind.STAGE
    return [
        Conclude(node_id=row.id, to=outcome, cause=cause, changes=changes, ends_stage=ends_stage)
    ]


def _first_failure(view: View, row: NodeExecution) -> JsonObject | None:
    broken = [r for r in view.below(row.id) if r.status in _ENDED_BADLY and r.failure is not None]
    forward = [r for r in broken if not view.index.in_rollback(view.index.by_id[r.plan_node_id])]
    first = min(forward or broken, key=lambda r: r.ended_at or view.now, default=None)
    return None if first is None else first.failure


def _then(
    view: View, row: NodeExecution, forward: Status, places: Sequence[Place]
) -> list[Command] | Status:
    """After the forward part ended, run rollback trees in order and add their statuses."""
    outcome = _sequence(view, places, row, stops=lambda _row: False)
    return outcome if isinstance(outcome, list) else roll_up((forward, outcome))


def _pipeline(view: View, place: Place, row: NodeExecution) -> list[Command]:
    outcome = _sequence(
        view, _kids(place, row), row, stops=lambda kid: view.advised(kid.id, "PipelineRollback")
    )
    if isinstance(outcome, Status) and outcome in BROKE:
        outcome = _then(view, row, outcome, pipeline_rollback(view, row))
    return _concluded(view, row, outcome)


def _stage(view: View, place: Place, row: NodeExecution) -> list[Command]:
    outcome = _sequence(view, _kids(place, row), row, stops=lambda kid: kid.status in _ENDED_BADLY)
    if isinstance(outcome, Status) and wants_stage_rollback(view, outcome, row):
        outcome = _then(view, row, outcome, stage_rollback(view, place.node, row))
    return _concluded(view, row, outcome)


def _execution(view: View, place: Place, row: NodeExecution) -> list[Command]:
    outcome = _sequence(
        view,
        _kids(place, row),
        row,
        stops=lambda kid: view.advised(kid.id, "StageRollback", "PipelineRollback"),
    )
    return _concluded(view, row, outcome)


def _step_group(view: View, place: Place, row: NodeExecution) -> list[Command]:
    outcome = _sequence(
        view,
        _kids(place, row),
        row,
        stops=lambda kid: view.advised(
            kid.id, "StepGroupRollback", "StageRollback", "PipelineRollback"
        ),
    )
    if isinstance(outcome, Status) and outcome in BROKE:
        outcome = _then(view, row, outcome, group_rollback(view, place.node, row))
    return _concluded(view, row, outcome)


def _rollback(view: View, place: Place, row: NodeExecution) -> list[Command]:
    outcome = _sequence(view, _kids(place, row), row, stops=lambda _row: False)
    return _concluded(view, row, outcome)


def _siblings(view: View, place: Place, row: NodeExecution) -> list[Command]:
    return _concluded(view, row, _parallel(view, _kids(place, row), row))


def _strategy(view: View, place: Place, row: NodeExecution) -> list[Command]:
    """Run the iterations that `apply` expanded when the node started."""
    kids = iteration_places(place, row)
    limit = row.resolved_params.get("maxConcurrency")
    if row.resolved_params.get("onFailure") == "SkipQueued" and any(
        found is not None and found.status in BROKE for found in map(view.row, kids)
    ):
        queued = [kid for kid in kids if view.row(kid) is None]
        info = {"whenCondition": "onFailure: SkipQueued", "evaluatedCondition": False}
        if queued:
            return [Skip(place=k, run_info=info, cause="an iteration failed") for k in queued]
    outcome = _parallel(view, kids, row, limit=limit if isinstance(limit, int) else None)
    return _concluded(view, row, outcome)


def iteration_places(place: Place, row: NodeExecution) -> list[Place]:
    """Return the places of a STRATEGY node's iterations."""
    child = place.node.children[0]
    base = Place(node=child, renames=place.renames).fqn
    iterations = row.resolved_params.get("iterations")
    places = []
    for number, iteration in enumerate(iterations if isinstance(iterations, Sequence) else ()):
        renamed = (child.fqn, f"{base}{iteration['postfix']}")
        places.append(
            Place(
                node=child,
                instance=f"{place.instance}.{number}" if place.instance else str(number),
                parent_id=row.id,
                renames=(*place.renames, renamed),
                iteration=iteration,
            )
        )
    return places


_COMPOSITES: Mapping[NodeKind, Callable[[View, Place, NodeExecution], list[Command]]] = {
    NodeKind.PIPELINE: _pipeline,
    NodeKind.STAGE: _stage,
    NodeKind.EXECUTION: _execution,
    NodeKind.STEP_GROUP: _step_group,
    NodeKind.ROLLBACK: _rollback,
    NodeKind.PARALLEL: _siblings,
    NodeKind.STRATEGY: _strategy,
}


def _settled(view: View, *, everything: bool = False) -> list[Command]:
    """Return which interrupts have had their effect, or can have none any more."""
    return [
        SettleInterrupt(interrupt_id=interrupt.id, cause=f"{interrupt.type.value} took effect")
        for interrupt in view.open_interrupts
        if everything or _is_settled(view, interrupt)
    ]


def _is_settled(view: View, interrupt: Interrupt) -> bool:
    if interrupt.type in _AT_ONCE:
        return True
    if interrupt.node_execution_id is None:
        return interrupt.type not in _LASTING
    target = view.rows.get(interrupt.node_execution_id)
    if target is None or target.status.is_final:
        return True
    if interrupt.type in {InterruptType.RETRY, InterruptType.IGNORE} or (
        interrupt.type is InterruptType.MARK_AS_SUCCESS
    ):
        return target.status is not Status.INTERVENTION_WAITING
    return not is_leaf(view.index.by_id[target.plan_node_id]) and interrupt.type not in _LASTING


def _shown(view: View) -> list[Command]:
    """Return the change of the execution's live status, when there is one."""
    active = [
        row.status
        for row in view.rows.values()
        if not row.status.is_final and is_leaf(view.index.by_id[row.plan_node_id])
    ]
    to = live_status(active)
    if view.is_aborted(None):
        to = Status.DISCONTINUING
    elif view.paused and not active:
        to = Status.PAUSED
    if view.world.execution.status is to:
        return []
    return [ShowStatus(to=to, cause="roll-up of what runs")]
