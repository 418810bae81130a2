"""Which failure strategy applies and what is rolled back, given how steps end."""

from datetime import timedelta
from typing import Any

import pytest
from engine_plans import (
    group,
    parallel,
    pipeline,
    retry,
    run_on,
    stage,
    step,
)
from engine_simulation import Simulation

from fake_harness.engine.commands import Retry
from fake_harness.status import Status

ROLL_BACK = "StageRollback"
ACTIONS = [
    ("Ignore", "IGNORE_FAILED", "IGNORE_FAILED", True),
    ("MarkAsSuccess", "SUCCEEDED", "SUCCEEDED", True),
    ("MarkAsFailure", "FAILED", "FAILED", False),
    ("Abort", "ABORTED", "ABORTED", False),
    (None, "FAILED", "FAILED", False),
]


@pytest.mark.parametrize(("action", "status", "total", "goes_on"), ACTIONS)
def test_a_failure_action_decides_the_status_and_whether_the_stage_goes_on(
    action: Any, status: Any, total: Any, goes_on: Any
) -> None:
    plan = pipeline(stage("a", step("s1", on_failure=action), step("s2")))
    simulation = Simulation(plan, {"s1": [False]})
    assert simulation.run().value == total
    assert simulation.status("s1") == status
    assert ("s2" in simulation.ran()) is goes_on


@pytest.mark.parametrize(
    ("on_step", "on_group", "on_stage", "status"),
    [
        ("Ignore", "MarkAsSuccess", "Abort", "IGNORE_FAILED"),
        (None, "MarkAsSuccess", "Abort", "SUCCEEDED"),
        (None, None, "Ignore", "IGNORE_FAILED"),
        ({"Timeout": "Ignore"}, None, "MarkAsSuccess", "SUCCEEDED"),
        ({"Unknown": "Ignore", "AllErrors": "Abort"}, None, None, "IGNORE_FAILED"),
    ],
    ids=["step first", "then group", "then stage", "by failure type", "explicit before AllErrors"],
)
def test_the_innermost_strategy_that_covers_the_failure_wins(
    on_step: Any, on_group: Any, on_stage: Any, status: Any
) -> None:
    plan = pipeline(
        stage(
            "a", group("g", step("s", on_failure=on_step), on_failure=on_group), on_failure=on_stage
        )
    )
    simulation = Simulation(plan, {"s": [False]})
    simulation.run()
    assert simulation.status("s") == status


def test_retry_runs_the_step_again_until_it_succeeds() -> None:
    plan = pipeline(stage("a", step("s", on_failure=retry(3))))
    simulation = Simulation(plan, {"s": [False, False, True]})
    assert simulation.run() is Status.SUCCEEDED
    assert [simulation.statuses()["s", n] for n in range(3)] == ["FAILED", "FAILED", "SUCCEEDED"]


@pytest.mark.parametrize(
    ("then", "status"),
    [(None, "FAILED"), ("Ignore", "IGNORE_FAILED"), ("MarkAsSuccess", "SUCCEEDED")],
)
def test_retries_that_run_out_fall_back_to_the_next_action(then: Any, status: Any) -> None:
    simulation = Simulation(
        pipeline(stage("a", step("s", on_failure=retry(2, then=then)))), {"s": [False]}
    )
    assert simulation.run().value == status
    assert simulation.ran() == ["s", "s", "s"]


def test_the_last_retry_interval_repeats() -> None:
    plan = pipeline(stage("a", step("s", on_failure=retry(4, intervals=(10.0, 60.0)))))
    simulation = Simulation(plan, {"s": [False]})
    pauses = []
    for _ in range(4):
        simulation.settle()
        simulation.finish_one()
        [again] = [c for c in simulation.decide() if isinstance(c, Retry)]
        pauses.append((again.start_at - simulation.now).total_seconds())
        simulation.settle()
        assert simulation.row("s").status is Status.QUEUED
        simulation.now += timedelta(seconds=61)
    assert pauses == [10, 60, 60, 60]


def test_stage_rollback_runs_group_rollbacks_in_reverse_then_the_stages() -> None:
    plan = pipeline(
        stage(
            "a",
            group("g1", step("s1"), rollback=[step("r1")]),
            group("g2", step("s2"), rollback=[step("r2")]),
            step("s3"),
            group("g4", step("s4"), rollback=[step("r4")]),
            rollback=[step("r")],
            on_failure=ROLL_BACK,
        ),
        stage("b", step("s5")),
    )
    simulation = Simulation(plan, {"s3": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s1", "s2", "s3", "r2", "r1", "r"]
    assert simulation.status("b") == "SKIPPED"


def test_a_failing_rollback_step_does_not_stop_the_rollback() -> None:
    plan = pipeline(stage("a", step("s"), rollback=[step("r1"), step("r2")], on_failure=ROLL_BACK))
    simulation = Simulation(plan, {"s": [False], "r1": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s", "r1", "r2"]
    assert simulation.row("a").failure["message"] == simulation.row("s").failure["message"]


def test_rollback_steps_ignore_the_strategies_of_their_stage() -> None:
    plan = pipeline(
        stage("a", step("s", on_failure=ROLL_BACK), rollback=[step("r")], on_failure="Ignore")
    )
    simulation = Simulation(plan, {"s": [False], "r": [False]})
    simulation.run()
    assert simulation.status("r") == "FAILED"


def test_without_stage_rollback_the_rollback_steps_never_run() -> None:
    plan = pipeline(stage("a", step("s"), rollback=[step("r")], on_failure="MarkAsFailure"))
    simulation = Simulation(plan, {"s": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s"]


def test_step_group_rollback_stays_inside_its_group() -> None:
    plan = pipeline(
        stage(
            "a",
            group(
                "g", step("s1", on_failure="StepGroupRollback"), step("s2"), rollback=[step("r")]
            ),
            step("s3", when=run_on("All")),
            rollback=[step("never")],
        )
    )
    simulation = Simulation(plan, {"s1": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s1", "r", "s3"]


def test_pipeline_rollback_undoes_earlier_stages_last_first() -> None:
    plan = pipeline(
        stage("a", step("s1"), rollback=[step("r1")]),
        stage("b", step("s2"), rollback=[step("r2")]),
        stage("c", step("s3", on_failure="PipelineRollback"), rollback=[step("r3")]),
        stage("d", step("s4"), rollback=[step("r4")]),
    )
    simulation = Simulation(plan, {"s3": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s1", "s2", "s3", "r3", "r2", "r1"]


def test_a_failure_in_the_rollback_of_a_good_stage_does_not_stop_the_pipelines_rollback() -> None:
    undo = step("r1", on_failure="PipelineRollback")
    plan = pipeline(
        stage("a", step("s1"), rollback=[undo, step("r2")]),
        stage("b", step("s2", on_failure="PipelineRollback")),
        stage("c", step("s3")),
    )
    simulation = Simulation(plan, {"s2": [False], "r1": [False]})
    assert simulation.run() is Status.FAILED
    assert simulation.ran() == ["s1", "s2", "r1", "r2"]


def test_a_parallel_failure_rolls_back_after_all_siblings_ended() -> None:
    plan = pipeline(
        stage(
            "a",
            parallel("p", step("s1"), step("s2")),
            step("s3"),
            rollback=[step("r")],
            on_failure=ROLL_BACK,
        )
    )
    simulation = Simulation(plan, {"s1": [False]})
    simulation.run()
    assert simulation.ran() == ["s1", "s2", "r"]
