"""Execution answers become rows for people."""

from typing import Any

from sandbox.executions import stage_rows, step_rows


def node(uuid: str, fqn: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": uuid,
        "identifier": fqn.rpartition(".")[2],
        "baseFqn": fqn,
        "stepType": kind,
        "status": "Success",
        "startTs": 1000,
        "endTs": 3500,
        "failureInfo": {"message": ""},
        "executableResponses": [],
        **more,
    }


def answer() -> dict[str, Any]:
    spec = "pipeline.stages.build.spec.execution.steps"
    task = {"task": {"logKeys": ["k/1"], "units": []}}
    failure = {"message": "exit code 1"}
    nodes = [
        node("p", "pipeline", "PIPELINE_SECTION"),
        node("s", "pipeline.stages.build", "IntegrationStageStepPMS"),
        node("e", f"{spec}.execution", "NG_EXECUTION"),
        node("f", f"{spec}.fork", "NG_FORK"),
        node("a", f"{spec}.lint", "Run", executableResponses=[task]),
        node("g", f"{spec}.group", "STEP_GROUP"),
        node("b", f"{spec}.group.test", "Run", status="Failed", failureInfo=failure),
        node("d", f"{spec}.deploy", "Wait", startTs=None, endTs=None, status="NotStarted"),
        node("t", "pipeline.stages.prod", "APPROVAL_STAGE"),
        node("h", "pipeline.stages.prod.spec.execution.steps.ask", "HarnessApproval"),
    ]
    links = {
        "p": {"children": ["s"], "nextIds": []},
        "s": {"children": ["e"], "nextIds": ["t"]},
        "e": {"children": ["f"], "nextIds": []},
        "f": {"children": ["a", "g"], "nextIds": ["d"]},
        "g": {"children": ["b"], "nextIds": []},
        "t": {"children": ["h"], "nextIds": []},
    }
    graph = {
        "rootNodeId": "p",
        "nodeMap": {item["uuid"]: item for item in nodes},
        "nodeAdjacencyListMap": links,
    }
    return {"executionGraph": graph, "pipelineExecutionSummary": {"layoutNodeMap": layout()}}


def layout() -> dict[str, Any]:
    def stage(name: str, kind: str, start: int | None, group: str = "STAGE") -> dict[str, Any]:
        return {
            "nodeIdentifier": name,
            "name": name.title(),
            "nodeType": kind,
            "nodeGroup": group,
            "status": "Success",
            "startTs": start,
            "endTs": start and start + 1500,
        }

    return {
        "1": stage("prod", "Approval", 5000),
        "2": stage("later", "Deployment", None),
        "3": stage("both", "parallel", 1),
        "4": stage("build", "CI", 1000),
    }


def test_steps_are_listed_depth_first_without_wrappers() -> None:
    rows = [(row.path, row.stage, row.status) for row in step_rows(answer())]
    assert rows == [
        ("build/lint", "build", "Success"),
        ("build/group/test", "build", "Failed"),
        ("build/deploy", "build", "NotStarted"),
        ("prod/ask", "prod", "Success"),
    ]


def test_step_carries_its_log_time_and_reason() -> None:
    lint, test, deploy, _ = step_rows(answer())
    assert (lint.log_keys, lint.seconds) == (("k/1",), 2.5)
    assert test.message == "exit code 1"
    assert (deploy.seconds, deploy.start_ts) == (0.0, 0)


def test_stages_are_listed_in_the_order_of_their_start() -> None:
    rows = [(row.identifier, row.type, row.seconds) for row in stage_rows(answer())]
    assert rows == [("build", "CI", 1.5), ("prod", "Approval", 1.5), ("later", "Deployment", 0.0)]


def test_execution_that_has_not_begun_has_no_steps() -> None:
    empty: dict[str, Any] = {"executionGraph": {"rootNodeId": None}, "pipelineExecutionSummary": {}}
    assert step_rows(empty) == []
    assert step_rows({"pipelineExecutionSummary": {}}) == []
    assert stage_rows(empty) == []


def test_long_chain_of_steps_is_no_problem() -> None:
    count = 3000
    nodes = [node(str(n), f"pipeline.stages.s.spec.x.s{n}", "Run") for n in range(count)]
    links = {str(n): {"children": [], "nextIds": [str(n + 1)]} for n in range(count - 1)}
    graph = {
        "rootNodeId": "0",
        "nodeMap": {item["uuid"]: item for item in nodes},
        "nodeAdjacencyListMap": links,
    }
    rows = step_rows({"executionGraph": graph, "pipelineExecutionSummary": {}})
    assert [row.uuid for row in rows] == [str(n) for n in range(count)]
