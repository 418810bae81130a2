"""What the demo measured: windows, splits and records."""

import pytest

from sandbox.demo.measure import (
    Window,
    execution_record,
    failures,
    measure_splits,
    shift_weights,
    weight_windows,
)
from sandbox.demo.traffic import Answer
from sandbox.executions import StepRow


def step(uuid: str, kind: str, start_s: float, end_s: float) -> StepRow:
    return StepRow(
        uuid=uuid,
        identifier=uuid,
        path=uuid,
        stage="prod",
        type=kind,
        status="Success",
        seconds=end_s - start_s,
        message="",
        log_keys=(),
        start_ts=int(start_s * 1000),
        end_ts=int(end_s * 1000),
    )


SHIFT = "EcsBlueGreenTrafficShift"


def test_weight_holds_from_the_end_of_its_shift_to_the_next_one() -> None:
    steps = [
        step("create", "EcsBlueGreenCreateService", 0, 10),
        step("to25", SHIFT, 50, 52),
        step("to10", SHIFT, 10, 12),
        step("gate", "ShellScript", 12, 49),
        step("last", "Http", 80, 90),
    ]
    windows = weight_windows(steps, {"to10": 10.0, "to25": 25.0})
    assert windows == [
        Window(planned=10.0, begin=12.0, end=50.0),
        Window(planned=25.0, begin=52.0, end=90.0),
    ]


def test_rollback_ends_the_last_window() -> None:
    steps = [
        step("to10", SHIFT, 10, 12),
        step("gate", "ShellScript", 12, 30),
        step("back", "EcsBlueGreenRollback", 31, 40),
    ]
    assert weight_windows(steps, {"to10": 10.0}) == [Window(planned=10.0, begin=12.0, end=31.0)]


def test_no_shift_means_no_window() -> None:
    assert weight_windows([], {}) == []


def test_split_counts_answers_well_inside_the_window_only() -> None:
    window = Window(planned=25.0, begin=100.0, end=110.0)
    inside = [Answer(101.0 + n * 0.1, "new" if n % 4 == 0 else "old", 200) for n in range(40)]
    others = [
        Answer(100.1, "new", 200),
        Answer(109.9, "new", 200),
        Answer(105.0, "new", 503),
        Answer(50.0, "new", 200),
    ]
    split = measure_splits([*inside, *others], [window], "new")[0]
    assert (split.planned, split.measured, split.requests) == (25.0, 25.0, 40)


def test_window_without_an_answer_is_no_division_by_zero() -> None:
    split = measure_splits([], [Window(planned=10.0, begin=1.0, end=2.0)], "new")[0]
    assert (split.measured, split.requests) == (0.0, 0)


@pytest.mark.parametrize(("status", "failed"), [(200, 0), (201, 1), (503, 1), (0, 1)])
def test_anything_but_200_is_a_failure(status: int, failed: int) -> None:
    assert failures([Answer(1.0, "v", status), Answer(2.0, "v", 200)]) == failed


def test_weights_are_those_of_shifts_that_succeeded() -> None:
    def node(kind: str, status: str, weight: object) -> dict[str, object]:
        spec = {"ecsTrafficShiftWrapper": {"spec": {"weightPercentage": weight}}}
        return {"stepType": kind, "status": status, "stepParameters": spec}

    nodes = {
        "a": node(SHIFT, "Success", "10"),
        "b": node(SHIFT, "Failed", 25),
        "c": node(SHIFT, "Success", None),
        "d": node("Run", "Success", 50),
    }
    assert shift_weights({"executionGraph": {"nodeMap": nodes}}) == {"a": 10.0}
    assert shift_weights({}) == {}


def test_record_says_why_an_execution_failed() -> None:
    summary = {
        "pipelineIdentifier": "cd",
        "planExecutionId": "e1",
        "status": "Failed",
        "startTs": 1000,
        "endTs": 61_000,
        "failureInfo": {"message": "Health gate failed at weight 10"},
        "layoutNodeMap": {},
    }
    record = execution_record({"pipelineExecutionSummary": summary})
    assert record["seconds"] == 60.0
    assert record["reason"] == "Health gate failed at weight 10"
    assert record["stages"] == []
