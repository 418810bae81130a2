"""For any plan and any results: it ends, starts nothing twice, and rests when nothing changed."""

from datetime import timedelta
from typing import Any

from engine_plans import group, looped, parallel, pipeline, retry, run_on, stage, step
from engine_simulation import Simulation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_harness.pipeline.plan import FailureAction, Plan
from fake_harness.status import Status

FINAL_ACTIONS = [
    None,
    "Ignore",
    "MarkAsSuccess",
    "MarkAsFailure",
    "Abort",
    "StageRollback",
    "StepGroupRollback",
    "PipelineRollback",
]
ACTIONS = st.one_of(
    st.sampled_from(FINAL_ACTIONS),
    st.builds(
        lambda n, then: retry(n, then=then), st.integers(0, 2), st.sampled_from(FINAL_ACTIONS)
    ),
    st.just(
        FailureAction(
            type="ManualIntervention", timeout_s=30, on_timeout=FailureAction(type="Ignore")
        )
    ),
)
WHEN = st.sampled_from([None, run_on("Success"), run_on("Failure"), run_on("All")])


@st.composite
def plans(draw: Any) -> Any:  # noqa: C901 - one branch a shape
    names = (f"n{i}" for i in range(1000))

    def a_step() -> Any:
        return step(
            next(names),
            when=draw(WHEN),
            on_failure=draw(ACTIONS),
            timeout=draw(st.sampled_from([None, "45"])),
        )

    def some_steps(depth: Any, *, least: Any = 1) -> Any:
        return [an_item(depth) for _ in range(draw(st.integers(least, 3)))]

    def an_item(depth: Any) -> Any:
        kind = draw(st.sampled_from(["step", "step", "group", "parallel", "loop"]))
        if depth == 0 or kind == "step":
            return a_step()
        if kind == "loop":
            return looped(an_item_body(depth - 1), limit=draw(st.sampled_from([None, 1, 2])))
        if kind == "parallel":
            return parallel(next(names), *some_steps(depth - 1))
        return a_group(depth)

    def an_item_body(depth: Any) -> Any:
        return a_step() if depth == 0 or draw(st.booleans()) else a_group(depth)

    def a_group(depth: Any) -> Any:
        return group(
            next(names),
            *some_steps(depth - 1),
            when=draw(WHEN),
            on_failure=draw(ACTIONS),
            rollback=some_steps(0) if draw(st.booleans()) else (),
        )

    def a_stage() -> Any:
        return stage(
            next(names),
            *some_steps(2),
            when=draw(WHEN),
            on_failure=draw(ACTIONS),
            timeout=draw(st.sampled_from([None, None, "100"])),
            rollback=some_steps(1) if draw(st.booleans()) else (),
        )

    items = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["stage", "parallel", "loop"]))
        if kind == "parallel":
            items.append(parallel(next(names), a_stage(), a_stage()))
        else:
            items.append(looped(a_stage(), limit=1) if kind == "loop" else a_stage())
    return pipeline(*items)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans(), data=st.data())
def test_every_execution_ends_and_starts_nothing_twice(plan: Plan, data: Any) -> None:
    simulation = Simulation(plan, iterations=2)
    ends = st.sampled_from([True, True, False, ("FAILED", "TIMEOUT_FAILURE"), ("ERRORED", None)])
    for _ in range(3000):
        simulation.settle()
        assert simulation.decide() == [], "settled, and nothing has changed since"
        if simulation.execution.status.is_final:
            break
        what = data.draw(st.sampled_from(["end", "end", "end", "end", "time", "abort"]))
        running = [i for i, [t] in simulation.tasks.items() if t.result is None]
        running = [i for i in running if not simulation.rows[i].status.is_final]
        if what == "abort" and data.draw(st.integers(0, 9)) == 0:
            simulation.interrupt("AbortAll")
        elif what == "end" and running:
            simulation.finish(data.draw(st.sampled_from(sorted(running))), data.draw(ends))
        else:
            simulation.now += timedelta(seconds=20)
    assert simulation.execution.status.is_final
    assert all(row.status.is_final for row in simulation.rows.values())
    root = simulation.row("pipeline")
    assert root.status is simulation.execution.status
    if all(row.status is Status.SUCCEEDED for row in simulation.rows.values()):
        assert root.status is Status.SUCCEEDED
