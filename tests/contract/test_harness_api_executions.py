"""Executions over HTTP: from the execute call to rows, and what people do to them."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness_api_server import (
    APPROVAL,
    V1,
    WHAT,
    Api,
    api_server,
    pipeline,
    running_engine,
    stage,
    start_afresh,
    wait_step,
)
from patience import eventually

EXECUTE = "/pipeline/api/pipeline/execute"
EXECUTIONS = "/pipeline/api/pipelines/execution"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server(tmp_path_factory.mktemp("harness")) as running:
        yield running


@pytest.fixture
def api(server: Api) -> Api:
    start_afresh(server)
    return server


@pytest.fixture
def engine(api: Api) -> Iterator[None]:
    with running_engine(api):
        yield


def summaries(api: Api, body: Any = None, **params: Any) -> list[Any]:
    page = api.data("POST", f"{EXECUTIONS}/summary", json=body or {}, params=params)
    assert page["totalElements"] == len(page["content"])
    return list(page["content"])


def what(value: str, of: str = "brew") -> str:
    return f"""pipeline:
  identifier: {of}
  variables:
    - {{name: what, type: String, value: {value}}}
"""


def test_execute_answers_the_execution_that_is_then_read(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), stage("two"), variables=WHAT))
    path = f"{EXECUTE}/brew"
    planned = api.data("POST", path, data=what("coffee"), params={"moduleType": "CD"})
    execution = planned["planExecution"]
    assert execution["metadata"]["runSequence"] == 1
    assert execution["metadata"]["pipelineIdentifier"] == "brew"
    summary = api.execution(execution["uuid"])["pipelineExecutionSummary"]
    assert (summary["status"], summary["runSequence"]) == ("Queued", 1)
    layout = summary["layoutNodeMap"]
    first = layout[summary["startingNodeId"]]
    assert (first["nodeIdentifier"], first["status"]) == ("one", "NotStarted")
    following = layout[first["edgeLayoutList"]["nextIds"][0]]
    assert following["nodeIdentifier"] == "two"
    inputs = api.data("GET", f"{EXECUTIONS}/{execution['uuid']}/inputsetV2")
    assert "coffee" in inputs["inputSetYaml"]


def test_v1_execute_answers_the_execution_id(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    body = {"inputs_yaml": what("milk")}
    answer = api.call("POST", f"{V1}/pipelines/brew/execute", scope=None, json=body).json()
    assert api.execution(answer["execution_details"]["execution_id"])


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        ("pipeline: {identifier: brew, variables: [{name: no, value: x}]}", "variables"),
        ("pipeline: [", "yaml"),
        ("nothing: {}", "pipeline"),
    ],
)
def test_inputs_that_do_not_fit_start_nothing(api: Api, inputs: str, part: str) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    refused = api.refusal(400, "POST", f"{EXECUTE}/brew", data=inputs)
    assert part in refused["message"].lower()
    assert summaries(api) == []


def test_unknown_pipeline_is_not_found(api: Api) -> None:
    assert api.refusal(404, "POST", f"{EXECUTE}/no")["code"] == "ENTITY_NOT_FOUND"
    assert api.refusal(404, "GET", f"{EXECUTIONS}/v2/no")["code"] == "RESOURCE_NOT_FOUND_EXCEPTION"


def test_execution_is_not_found_from_another_project(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one")))
    started = api.run("brew")
    scope = {"orgIdentifier": "shop", "projectIdentifier": "other"}
    api.refusal(404, "GET", f"{EXECUTIONS}/v2/{started}", scope=scope)


def test_summary_filters_by_pipeline_status_and_text(api: Api) -> None:
    for name in ("brew", "bake"):
        api.add_pipeline(pipeline(name, stage("one")))
        api.run(name)
    assert [s["pipelineIdentifier"] for s in summaries(api)] == ["bake", "brew"]
    assert len(summaries(api, pipelineIdentifier="brew")) == 1
    assert len(summaries(api, {"status": ["Queued"]})) == 2
    assert summaries(api, {"status": ["Success", "Failed"]}) == []
    assert len(summaries(api, {"triggerTypes": ["WEBHOOK"]})) == 0
    assert len(summaries(api, {"timeRange": {"startTime": 0, "endTime": 1}})) == 0
    assert len(summaries(api, searchTerm="bak")) == 1
    refused = api.refusal(400, "POST", f"{EXECUTIONS}/summary", json={"status": ["Nope"]})
    assert "Nope" in refused["message"]


@pytest.mark.usefixtures("engine")
def test_only_selected_stages_run(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), stage("two"), stage("three")))
    body = {"stageIdentifiers": ["one", "three"], "runtimeInputYaml": ""}
    planned = api.data("POST", f"{EXECUTE}/brew/stages", json=body)
    summary = api.await_status(planned["planExecution"]["uuid"], "Success", "Failed")
    statuses = {n["nodeIdentifier"]: n["status"] for n in summary["layoutNodeMap"].values()}
    assert statuses == {"one": "Success", "two": "Skipped", "three": "Success"}
    assert summary["stagesExecuted"] == ["one", "three"]


def test_unknown_stage_cannot_be_selected(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one")))
    body = {"stageIdentifiers": ["nope"]}
    refused = api.refusal(400, "POST", f"{EXECUTE}/brew/stages", json=body)
    assert "nope" in refused["message"]
    assert "one" in refused["message"]


@pytest.mark.usefixtures("engine")
def test_graph_has_every_node_that_started(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one", wait_step("a") + wait_step("b"))))
    started = api.run("brew")
    api.await_status(started, "Success")
    graph = api.execution(started)["executionGraph"]
    nodes, links = graph["nodeMap"], graph["nodeAdjacencyListMap"]
    by_name = {node["identifier"]: node for node in nodes.values()}
    assert by_name["a"]["stepType"] == "Wait"
    assert by_name["a"]["status"] == "Success"
    assert links[by_name["a"]["uuid"]]["nextIds"] == [by_name["b"]["uuid"]]
    assert nodes[graph["rootNodeId"]]["stepType"] == "PIPELINE_SECTION"
    path = "/pipeline/api/pipelines/getExecutionNode"
    node = api.data("GET", path, params={"nodeExecutionId": by_name["b"]["uuid"]})
    assert node["baseFqn"].endswith("steps.b")


@pytest.mark.usefixtures("engine")
def test_abort_ends_an_execution_and_only_once(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one", APPROVAL), variables=WHAT))
    started = api.run("brew")
    api.await_status(started, "ApprovalWaiting")
    path = f"{EXECUTE}/interrupt/{started}"
    assert "Nope" in api.refusal(400, "PUT", path, params={"interruptType": "Nope"})["message"]
    row = api.data("PUT", path, params={"interruptType": "AbortAll"})
    assert row["type"] == "AbortAll"
    api.await_status(started, "Aborted")
    late = api.refusal(400, "PUT", path, params={"interruptType": "AbortAll"})
    assert "already ended" in late["message"]


def test_interrupt_takes_nodes_of_its_own_execution_only(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one", APPROVAL), variables=WHAT))
    with running_engine(api):
        one, two = api.run("brew"), api.run("brew")
        for started in (one, two):
            api.await_status(started, "ApprovalWaiting")
        foreign = api.execution(two)["executionGraph"]["rootNodeId"]
        path = f"{EXECUTE}/interrupt/{one}/{foreign}"
        refused = api.refusal(400, "PUT", path, params={"interruptType": "Ignore"})
        assert "is not one of execution" in refused["message"]


def waiting_approval(api: Api) -> tuple[str, Any]:
    api.add_pipeline(pipeline("brew", stage("one", APPROVAL), stage("two"), variables=WHAT))
    started = api.run("brew")
    api.await_status(started, "ApprovalWaiting")
    path = f"/pipeline/api{V1}/approvals/execution/{started}"
    (approval,) = api.call("GET", path, scope=None).json()
    return started, approval


@pytest.mark.usefixtures("engine")
def test_approval_lets_the_execution_go_on(api: Api) -> None:
    started, approval = waiting_approval(api)
    assert (approval["status"], approval["approvalMessage"]) == ("WAITING", "Ship tea?")
    path = f"/pipeline/api/approvals/{approval['id']}"
    assert api.data("GET", f"{path}/harness/authorization")["authorized"] is True
    activity = f"{path}/harness/activity"
    bad = api.refusal(400, "POST", activity, json={"action": "MAYBE"})
    assert "MAYBE" in bad["message"]
    bad = api.refusal(400, "POST", activity, json={"action": "APPROVE"})
    assert "[ticket] is required" in bad["message"]
    inputs = [{"name": "ticket", "value": "OPS-1"}]
    body = {"action": "APPROVE", "comments": "yes", "approverInputs": inputs}
    assert api.data("POST", activity, json=body)["status"] == "APPROVED"
    api.await_status(started, "Success")
    done = api.data("GET", path)["details"]["approvalActivities"][0]
    assert (done["comments"], done["approverInputs"]) == ("yes", inputs)
    assert "already completed" in api.refusal(400, "POST", activity, json=body)["message"]


@pytest.mark.usefixtures("engine")
def test_rejection_ends_the_execution(api: Api) -> None:
    started, approval = waiting_approval(api)
    path = f"/pipeline/api/approvals/{approval['id']}/harness/activity"
    assert api.data("POST", path, json={"action": "REJECT"})["status"] == "REJECTED"
    summary = api.await_status(started, "ApprovalRejected", "Failed")
    assert summary["status"] == "ApprovalRejected"
    api.refusal(
        404, "POST", "/pipeline/api/approvals/no/harness/activity", json={"action": "REJECT"}
    )


@pytest.mark.usefixtures("engine")
def test_retry_keeps_what_came_before_the_retried_stage(api: Api) -> None:
    first = stage("zero")
    api.add_pipeline(pipeline("brew", first, stage("one", APPROVAL), stage("two"), variables=WHAT))
    started = api.run("brew", what("juice"))
    api.await_status(started, "ApprovalWaiting")
    (approval,) = api.call("GET", f"/pipeline/api{V1}/approvals/execution/{started}").json()
    act = f"/pipeline/api/approvals/{approval['id']}/harness/activity"
    path, params = f"{EXECUTE}/retry/brew", {"planExecutionId": started, "retryStages": "one"}
    assert "no failed execution" in api.refusal(400, "POST", path, params=params)["message"]
    api.data("POST", act, json={"action": "REJECT"})
    api.await_status(started, "ApprovalRejected")

    again = api.data("POST", path, params=params)["planExecution"]["uuid"]
    api.await_status(again, "ApprovalWaiting")
    graph = api.execution(again)["executionGraph"]["nodeMap"].values()
    kept = next(node for node in graph if node["identifier"] == "zero")
    before = api.execution(started)["executionGraph"]["nodeMap"].values()
    original = next(node for node in before if node["identifier"] == "zero")
    assert (kept["startTs"], kept["status"]) == (original["startTs"], "Success")
    (approval,) = api.call("GET", f"/pipeline/api{V1}/approvals/execution/{again}").json()
    assert approval["approvalMessage"] == "Ship juice?"
    missing = {"planExecutionId": started, "retryStages": "nope"}
    assert "nope" in api.refusal(400, "POST", path, params=missing)["message"]


@pytest.mark.usefixtures("engine")
def test_rerun_takes_the_inputs_of_the_first_run(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    first = api.run("brew", what("water"))
    api.await_status(first, "Success")
    planned = api.data("POST", f"{EXECUTE}/rerun/{first}/brew")
    again = planned["planExecution"]["uuid"]
    summary = api.execution(again)["pipelineExecutionSummary"]
    assert summary["executionTriggerInfo"]["isRerun"] is True
    assert "water" in api.data("GET", f"{EXECUTIONS}/{again}/inputset")["inputSetYaml"]
    assert "of pipeline" in api.refusal(400, "POST", f"{EXECUTE}/rerun/{first}/other")["message"]


def test_health_tells_of_the_engine(api: Api) -> None:
    def health() -> Any:
        return api.session.get(f"{api.url}/health", timeout=10).json()

    assert health()["engine"] == "stopped"
    with running_engine(api):
        eventually(lambda: health()["engine"] == "running")
