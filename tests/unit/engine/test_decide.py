"""What runs, what is skipped and how it all ends, given how steps end."""

from datetime import timedelta
from typing import Any

import pytest
from engine_plans import (
    as_action,
    group,
    looped,
    parallel,
    pipeline,
    retry,
    run_on,
    stage,
    step,
)
from engine_simulation import Simulation

from fake_harness.engine.commands import Conclude
from fake_harness.pipeline.plan import FailureAction
from fake_harness.status import Status

ROLL_BACK = "StageRollback"


def test_steps_and_stages_run_in_order() -> None:
    simulation = Simulation(pipeline(stage("a", step("s1"), step("s2")), stage("b", step("s3"))))
    assert simulation.run() is Status.SUCCEEDED
    assert simulation.ran() == ["s1", "s2", "s3"]


def test_nothing_is_decided_while_a_step_runs() -> None:
    simulation = Simulation(pipeline(stage("a", step("s1"), step("s2"))))
    simulation.settle()
    assert simulation.decide() == []
    assert simulation.ran() == ["s1"]


def test_a_failed_step_skips_the_rest_of_its_stage_and_later_stages() -> None:
    simulation = Simulation(
        pipeline(stage("a", step("s1"), step("s2")), stage("b", step("s3"))), {"s1": [False]}
    )
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s1"]
    assert simulation.status("s2") == "SKIPPED"
    assert simulation.status("b") == "SKIPPED"
    assert simulation.row("pipeline").failure["message"].endswith("broke")


@pytest.mark.parametrize(
    ("first_ends", "run", "runs"),
    [
        (True, "Success", True),
        (True, "Failure", False),
        (True, "All", True),
        (False, "Success", False),
        (False, "Failure", True),
        (False, "All", True),
    ],
)
@pytest.mark.parametrize("of", ["step", "stage"])
def test_when_looks_at_what_has_ended(first_ends: Any, run: Any, runs: Any, of: Any) -> None:
    if of == "step":
        plan = pipeline(stage("a", step("s1"), step("s2", when=run_on(run))))
    else:
        plan = pipeline(stage("a", step("s1")), stage("b", step("s2"), when=run_on(run)))
    simulation = Simulation(plan, {"s1": [first_ends]})
    simulation.run()
    assert ("s2" in simulation.ran()) is runs


def test_parallel_siblings_all_finish_before_the_stage_fails() -> None:
    plan = pipeline(stage("a", parallel("p", step("s1"), step("s2")), step("s3")))
    simulation = Simulation(plan, {"s1": [False]})
    simulation.settle()
    assert simulation.ran() == ["s1", "s2"]
    simulation.finish_one()
    simulation.settle()
    assert simulation.status("p") == "RUNNING"
    assert simulation.run() is Status.FAILED
    assert simulation.status("s2") == "SUCCEEDED"
    assert simulation.status("s3") == "SKIPPED"


@pytest.mark.parametrize("limit", [1, 2, 3, None])
def test_a_loop_runs_no_more_iterations_at_once_than_allowed(limit: Any) -> None:
    simulation = Simulation(pipeline(stage("a", looped(step("s"), limit=limit))), iterations=5)
    simulation.settle()
    assert len(simulation.ran()) == (limit or 5)
    assert simulation.run() is Status.SUCCEEDED
    assert sorted(simulation.ran()) == ["s_0", "s_1", "s_2", "s_3", "s_4"]


def test_every_iteration_runs_though_an_earlier_one_failed() -> None:
    simulation = Simulation(pipeline(stage("a", looped(step("s"), limit=1))), {"s_0": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s_0", "s_1", "s_2"]


def test_iterations_of_a_group_keep_their_steps_apart() -> None:
    plan = pipeline(stage("a", looped(group("g", step("s1"), step("s2")))))
    simulation = Simulation(plan, iterations=2)
    assert simulation.run() is Status.SUCCEEDED
    fqns = sorted(row.fqn for row in simulation.rows.values() if row.plan_node_id == "g")
    assert fqns == ["pipeline.g_0", "pipeline.g_1"]
    assert simulation.ran().count("s1") == 2


def test_manual_intervention_waits_for_a_person_who_retries() -> None:
    plan = pipeline(stage("a", step("s", on_failure="ManualIntervention")))
    simulation = Simulation(plan, {"s": [False, True]})
    simulation.settle()
    simulation.finish_one()
    simulation.settle()
    assert simulation.execution.status is Status.INTERVENTION_WAITING
    simulation.interrupt("Retry", "s")
    assert simulation.run() is Status.SUCCEEDED
    assert simulation.interrupts[0].handled_at is not None


@pytest.mark.parametrize(
    ("wish", "status"),
    [("Ignore", "IGNORE_FAILED"), ("MarkAsSuccess", "SUCCEEDED"), ("MarkAsFailure", "FAILED")],
)
def test_an_intervention_settles_the_step(wish: Any, status: Any) -> None:
    simulation = Simulation(
        pipeline(stage("a", step("s", on_failure="ManualIntervention"))), {"s": [False]}
    )
    simulation.settle()
    simulation.finish_one()
    simulation.settle()
    simulation.interrupt(wish, "s")
    simulation.run()
    assert simulation.status("s") == status


def test_an_intervention_that_nobody_makes_takes_its_timeout_action() -> None:
    action = FailureAction(type="ManualIntervention", timeout_s=60, on_timeout=as_action("Ignore"))
    simulation = Simulation(pipeline(stage("a", step("s", on_failure=action))), {"s": [False]})
    simulation.settle()
    simulation.finish_one()
    simulation.settle()
    simulation.now += timedelta(seconds=59)
    assert simulation.decide() == []
    simulation.now += timedelta(seconds=1)
    simulation.settle()
    assert simulation.status("s") == "IGNORE_FAILED"


def test_a_step_over_its_time_is_stopped_first_and_then_expires() -> None:
    plan = pipeline(stage("a", step("s", timeout="60"), rollback=[step("r")], on_failure=ROLL_BACK))
    simulation = Simulation(plan)
    simulation.settle()
    simulation.now += timedelta(seconds=60)
    simulation.settle()
    assert simulation.status("s") == "DISCONTINUING"
    assert simulation.ran() == ["s"], "the rollback waits until the step has stopped"
    simulation.finish(simulation.row("s").id, ("ABORTED", None))
    assert simulation.run() is Status.EXPIRED
    assert simulation.ran() == ["s", "r"]


def test_a_step_that_cannot_be_stopped_expires_after_the_grace() -> None:
    simulation = Simulation(pipeline(stage("a", step("s", timeout="60"))))
    simulation.settle()
    simulation.now += timedelta(seconds=60)
    simulation.settle()
    simulation.now += timedelta(seconds=31)
    simulation.settle()
    assert simulation.execution.status is Status.EXPIRED


@pytest.mark.parametrize("action", [ROLL_BACK, retry(5, then=ROLL_BACK)])
def test_a_stage_over_its_time_rolls_back_without_retrying(action: Any) -> None:
    plan = pipeline(stage("a", step("s1"), timeout="60", rollback=[step("r")], on_failure=action))
    simulation = Simulation(plan)
    simulation.settle()
    simulation.now += timedelta(seconds=60)
    simulation.settle()
    simulation.finish(simulation.row("s1").id, ("ABORTED", None))
    assert simulation.run() is Status.EXPIRED
    assert simulation.ran() == ["s1", "r"]


def test_abort_stops_what_runs_and_starts_nothing_more() -> None:
    plan = pipeline(
        stage(
            "a",
            parallel("p", step("s1"), step("s2")),
            step("s3"),
            rollback=[step("r")],
            on_failure=ROLL_BACK,
        ),
        stage("b", step("s4"), when=run_on("All")),
    )
    simulation = Simulation(plan)
    simulation.settle()
    simulation.interrupt("AbortAll")
    simulation.settle()
    assert simulation.execution.status is Status.DISCONTINUING
    simulation.finish(simulation.row("s1").id, ("ABORTED", None))
    simulation.finish(simulation.row("s2").id, ("ABORTED", None))
    assert simulation.run() is Status.ABORTED
    assert simulation.ran() == ["s1", "s2"]


def test_aborting_one_stage_lets_its_parallel_sibling_finish() -> None:
    plan = pipeline(
        parallel("p", stage("a", step("s1")), stage("b", step("s2"))), stage("c", step("s3"))
    )
    simulation = Simulation(plan)
    simulation.settle()
    simulation.interrupt("Abort", "a")
    simulation.settle()
    simulation.finish(simulation.row("s1").id, ("ABORTED", None))
    assert simulation.run() is Status.ABORTED
    assert simulation.status("s2") == "SUCCEEDED"
    assert simulation.status("c") == "SKIPPED"


def test_an_abort_before_the_start_runs_nothing() -> None:
    simulation = Simulation(pipeline(stage("a", step("s"))))
    simulation.interrupt("AbortAll")
    assert simulation.run() is Status.ABORTED
    assert simulation.rows == {}


def test_a_paused_execution_starts_nothing_until_it_is_resumed() -> None:
    simulation = Simulation(pipeline(stage("a", step("s1"), step("s2"))))
    simulation.settle()
    simulation.interrupt("Pause")
    simulation.finish_one()
    simulation.settle()
    assert simulation.execution.status is Status.PAUSED
    assert simulation.ran() == ["s1"]
    simulation.interrupt("Resume")
    assert simulation.run() is Status.SUCCEEDED


def test_a_user_may_mark_a_running_step_as_failed() -> None:
    plan = pipeline(stage("a", step("s", on_failure={"UserMarkedFailure": "Ignore"}), step("s2")))
    simulation = Simulation(plan)
    simulation.settle()
    simulation.interrupt("UserMarkedFailure", "s")
    simulation.settle()
    simulation.finish(simulation.row("s").id, ("ABORTED", None))
    assert simulation.run() is Status.IGNORE_FAILED
    assert simulation.ran() == ["s", "s2"]


def test_only_selected_stages_run() -> None:
    plan = pipeline(stage("a", step("s1")), stage("b", step("s2")))
    simulation = Simulation(plan, stages_executed=("b",))
    assert simulation.run() is Status.SUCCEEDED
    assert simulation.ran() == ["s2"]


def test_every_conclusion_tells_its_cause() -> None:
    simulation = Simulation(pipeline(stage("a", step("s1"))))
    simulation.settle()
    simulation.finish_one()
    [conclusion] = [c for c in simulation.decide() if isinstance(c, Conclude)]
    assert conclusion.cause == "delegate reported SUCCEEDED"
