"""Pipelines, input sets, triggers and templates over HTTP, by the NG and the v1 routes."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness_api_server import (
    SCOPE,
    V1,
    WHAT,
    Api,
    api_server,
    pipeline,
    stage,
    start_afresh,
)

from fake_harness.store import executions

PIPELINES = "/pipeline/api/pipelines"
INPUT_SETS = "/pipeline/api/inputSets"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server(tmp_path_factory.mktemp("harness")) as running:
        yield running


@pytest.fixture
def api(server: Api) -> Api:
    start_afresh(server)
    return server


def input_set(identifier: str, what: str, of: str = "brew") -> bytes:
    return f"""inputSet:
  identifier: {identifier}
  name: {identifier}
  orgIdentifier: shop
  projectIdentifier: web
  pipeline:
    identifier: {of}
    variables:
      - {{name: what, type: String, value: {what}}}
""".encode()


def test_pipeline_lives_from_create_to_delete(api: Api) -> None:
    source = pipeline("brew", stage("one"))
    assert api.add_pipeline(source) == "brew"
    assert api.data("GET", f"{PIPELINES}/brew")["yamlPipeline"] == source
    assert api.data("GET", f"{PIPELINES}/summary/brew")["numOfStages"] == 1
    changed = pipeline("brew", stage("one"), stage("two"))
    api.data("PUT", f"{PIPELINES}/v2/brew", data=changed)
    assert api.data("GET", f"{PIPELINES}/brew")["version"] == 1
    listed = api.data("POST", f"{PIPELINES}/list", json={"filterType": "PipelineSetup"})
    assert (listed["totalElements"], listed["content"][0]["identifier"]) == (1, "brew")
    assert api.data("DELETE", f"{PIPELINES}/brew") is True
    assert api.refusal(404, "GET", f"{PIPELINES}/brew")["code"] == "ENTITY_NOT_FOUND"


@pytest.mark.parametrize("prefix", ["", "/gateway", "/pipeline/api"], ids=["bare", "gw", "cli"])
def test_v1_pipeline_lives_from_create_to_delete(api: Api, prefix: str) -> None:
    base, source = f"{prefix}{V1}/pipelines", pipeline("brew", stage("one"))
    body = {"pipeline_yaml": source, "identifier": "brew", "name": "Brew"}
    made = api.call("POST", base, scope=None, json=body)
    assert (made.status_code, made.json()) == (201, {"identifier": "brew"})
    assert api.refusal(400, "POST", base, json=body)["code"] == "DUPLICATE_FIELD"
    read = api.call("GET", f"{base}/brew", scope=None, params={"branch_name": ""}).json()
    assert (read["pipeline_yaml"], read["org"], read["project"]) == (source, "shop", "web")
    listed = api.call("GET", base, scope=None)
    assert [item["identifier"] for item in listed.json()] == ["brew"]
    assert listed.headers["X-Total-Elements"] == "1"
    body["pipeline_yaml"] = pipeline("brew", stage("two"))
    assert api.call("PUT", f"{base}/brew", scope=None, json=body).json() == {"identifier": "brew"}
    assert api.call("DELETE", f"{base}/brew", scope=None).status_code == 204
    assert api.refusal(404, "GET", f"{base}/brew")["code"] == "ENTITY_NOT_FOUND"


def test_malformed_yaml_is_refused_with_its_line(api: Api) -> None:
    refused = api.refusal(400, "POST", f"{PIPELINES}/v2", data=b"pipeline:\n  name: [x\n  a: b\n")
    (problem,) = refused["metadata"]["schemaErrors"]
    assert refused["metadata"]["type"] == "YamlSchemaErrorWrapperDTO"
    assert problem["line"] in {2, 3}


def test_unknown_step_type_is_refused_with_its_path(api: Api) -> None:
    source = pipeline("brew", stage("one")).replace("type: Wait", "type: Wiat")
    for method, path in (
        ("POST", f"{PIPELINES}/v2"),
        ("POST", f"{PIPELINES}/validate-yaml-with-schema"),
    ):
        refused = api.refusal(400, method, path, data=source)
        paths = [problem["yaml_path"] for problem in refused["metadata"]["schemaErrors"]]
        assert "pipeline.stages[0].stage.spec.execution.steps[0].step.type" in paths
    assert api.refusal(404, "GET", f"{PIPELINES}/brew")
    line = source[: source.index("Wiat")].count("\n") + 1
    body = {"pipelineYaml": source}
    answer = api.call("POST", "/pipeline/api/v1/orgs/shop/projects/web/dry-run", json=body).json()
    assert answer["valid"] is False
    assert answer["validationResults"][0]["location"]["line"] == line


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (f"{PIPELINES}/v2/other", "brew", "brew"),
        (f"{PIPELINES}/v2/brew", "identifier: brew", "identifier: other"),
        (f"{PIPELINES}/v2/brew", "orgIdentifier: shop", "orgIdentifier: other"),
        (f"{PIPELINES}/v2/brew", "projectIdentifier: web", "projectIdentifier: other"),
    ],
)
def test_yaml_of_another_pipeline_than_the_path_is_refused(
    api: Api, path: str, old: str, new: str
) -> None:
    source = pipeline("brew", stage("one"))
    api.add_pipeline(source)
    assert "differs" in api.refusal(400, "PUT", path, data=source.replace(old, new))["message"]


def test_input_template_shows_what_must_be_given(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    api.add_pipeline(pipeline("plain", stage("one")))

    def template(name: str) -> Any:
        params = {"pipelineIdentifier": name}
        return api.data("POST", f"{INPUT_SETS}/template", params=params)["inputSetTemplateYaml"]

    assert "<+input>.default(tea)" in template("brew")
    assert template("plain") is None


def test_input_set_lives_from_create_to_delete(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    params = {"pipelineIdentifier": "brew"}
    made = api.data("POST", INPUT_SETS, params=params, data=input_set("green", "matcha"))
    assert made["inputSetType"] == "INPUT_SET"
    again = api.refusal(400, "POST", INPUT_SETS, params=params, data=input_set("green", "x"))
    assert again["code"] == "DUPLICATE_FIELD"
    api.data("PUT", f"{INPUT_SETS}/green", params=params, data=input_set("green", "sencha"))
    assert "sencha" in api.data("GET", f"{INPUT_SETS}/green", params=params)["inputSetYaml"]
    other = api.refusal(
        400, "PUT", f"{INPUT_SETS}/red", params=params, data=input_set("green", "x")
    )
    assert "differs" in other["message"]
    assert api.data("GET", INPUT_SETS, params=params)["totalItems"] == 1
    assert api.data("DELETE", f"{INPUT_SETS}/green", params=params) is True
    gone = api.refusal(404, "GET", f"{INPUT_SETS}/green", params=params)
    assert gone["code"] == "ENTITY_NOT_FOUND"


def test_v1_input_set_lives_from_create_to_delete(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    base, params = f"{V1}/input-sets", {"pipeline": "brew"}
    body = {"input_set_yaml": input_set("green", "matcha").decode(), "identifier": "green"}
    assert api.call("POST", base, params=params, json=body).status_code == 201
    read = api.call("GET", f"{base}/green", params=params).json()
    assert read["input_set_yaml"] == body["input_set_yaml"]
    assert [i["identifier"] for i in api.call("GET", base, params=params).json()] == ["green"]
    assert api.call("PUT", f"{base}/green", params=params, json=body).ok
    assert api.call("DELETE", f"{base}/green", params=params).status_code == 204


def test_input_set_that_sets_what_is_no_input_is_refused(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one")))
    params = {"pipelineIdentifier": "brew"}
    refused = api.refusal(400, "POST", INPUT_SETS, params=params, data=input_set("x", "y"))
    assert refused["metadata"]["schemaErrors"]
    missing = api.refusal(
        404, "POST", INPUT_SETS, params={"pipelineIdentifier": "no"}, data=input_set("x", "y")
    )
    assert missing["code"] == "ENTITY_NOT_FOUND"


def overlay(*references: str) -> bytes:
    return f"""overlayInputSet:
  identifier: both
  name: both
  orgIdentifier: shop
  projectIdentifier: web
  pipelineIdentifier: brew
  inputSetReferences: [{", ".join(references)}]
""".encode()


def test_overlay_merges_its_input_sets_and_the_later_wins(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    params = {"pipelineIdentifier": "brew"}
    for name, what in (("green", "matcha"), ("black", "assam")):
        api.data("POST", INPUT_SETS, params=params, data=input_set(name, what))
    made = api.data("POST", f"{INPUT_SETS}/overlay", params=params, data=overlay("green", "black"))
    assert made["inputSetReferences"] == ["green", "black"]
    missing = api.refusal(400, "PUT", f"{INPUT_SETS}/overlay/other", params=params, data=overlay())
    assert "differs" in missing["message"]
    api.refusal(404, "PUT", f"{INPUT_SETS}/overlay/both", params=params, data=overlay("no"))

    body = {"inputSetReferences": ["both"], "withMergedPipelineYaml": True}
    merged = api.data("POST", f"{INPUT_SETS}/merge", params=params, json=body)
    assert "assam" in merged["pipelineYaml"]
    assert "matcha" not in merged["pipelineYaml"]
    assert "stages" in merged["completePipelineYaml"]

    started = api.run("brew", inputSetIdentifiers="both")
    given = api.data("GET", f"{PIPELINES}/execution/{started}/inputset")["inputSetYaml"]
    assert "assam" in given
    path = "/pipeline/api/pipeline/execute/brew/inputSetList"
    ran = api.data("POST", path, json={"inputSetReferences": ["green"]})
    given = api.data("GET", f"{PIPELINES}/execution/{ran['planExecution']['uuid']}/inputset")
    assert "matcha" in given["inputSetYaml"]


TRIGGER = """trigger:
  name: push
  identifier: push
  enabled: true
  orgIdentifier: shop
  projectIdentifier: web
  pipelineIdentifier: brew
  source:
    type: Webhook
    spec:
      type: Github
      spec:
        type: Push
        spec: {connectorRef: "", autoAbortPreviousExecutions: false, payloadConditions: [], headerConditions: [], actions: []}
  inputYaml: ""
"""


def test_trigger_takes_raw_yaml_under_a_json_content_type(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one")))
    path, params = "/pipeline/api/triggers", {"targetIdentifier": "brew", "withServiceV2": "true"}
    headers = {"Content-Type": "application/json"}
    made = api.data("POST", path, params=params, data=TRIGGER, headers=headers)
    assert (made["type"], made["enabled"], made["yaml"]) == ("Webhook", True, TRIGGER)
    again = api.refusal(400, "POST", path, params=params, data=TRIGGER, headers=headers)
    assert again["code"] == "DUPLICATE_FIELD"
    disabled = TRIGGER.replace("enabled: true", "enabled: false")
    assert api.data("PUT", f"{path}/push", params=params, data=disabled)["enabled"] is False
    assert "differs" in api.refusal(400, "PUT", f"{path}/x", params=params, data=TRIGGER)["message"]
    assert api.data("GET", f"{path}/push/details", params=params)["yaml"] == disabled
    assert api.data("GET", path, params=params)["totalItems"] == 1
    api.data("DELETE", f"{path}/push", params=params)
    assert api.refusal(404, "GET", f"{path}/push", params=params)["code"] == "ENTITY_NOT_FOUND"
    no_target = api.refusal(400, "GET", path)
    assert "targetIdentifier" in no_target["message"]


def template(version: str, duration: str) -> str:
    return f"""template:
  identifier: rest
  name: rest
  versionLabel: "{version}"
  type: Step
  orgIdentifier: shop
  projectIdentifier: web
  spec:
    type: Wait
    spec:
      duration: {duration}
"""


def step_from(link: str) -> str:
    return f"""
              - step:
                  identifier: pause
                  name: pause
                  template: {link}"""


def test_templates_have_versions_of_which_one_is_stable(api: Api) -> None:
    base = f"{V1}/templates"
    for version in ("1", "2"):
        body = {"template_yaml": template(version, "<+input>"), "is_stable": False}
        assert api.call("POST", base, json=body).status_code == 201
    assert api.refusal(400, "POST", base, json=body)["code"] == "DUPLICATE_FIELD"
    assert api.call("GET", f"{base}/rest").json()["template"]["version_label"] == "1"
    assert api.call("PUT", f"{base}/rest/versions/2/stable").ok
    read = api.call("GET", f"{base}/rest").json()["template"]
    assert (read["version_label"], read["stable_template"]) == ("2", True)
    assert len(api.call("GET", base).json()) == 2
    assert "stable" in api.refusal(400, "DELETE", f"{base}/rest/versions/2")["message"]
    assert api.call("DELETE", f"{base}/rest/versions/1").status_code == 204
    assert api.call("DELETE", f"{base}/rest/versions/2").status_code == 204
    assert api.refusal(404, "GET", f"{base}/rest")["code"] == "ENTITY_NOT_FOUND"
    bad = {"template_yaml": template("1", "10s").replace("Step", "SecretManager")}
    assert "SecretManager" in api.refusal(400, "POST", base, json=bad)["message"]


def test_pipeline_runs_with_its_templates_in_place(api: Api) -> None:
    body = {"template_yaml": template("1", "<+input>"), "is_stable": True}
    assert api.call("POST", f"{V1}/templates", json=body).ok
    link = '{templateRef: rest, versionLabel: "1", templateInputs: {type: Wait, spec: {duration: <+input>}}}'
    api.add_pipeline(pipeline("brew", stage("one", step_from(link))))
    inputs = """pipeline:
  identifier: brew
  stages:
    - stage:
        identifier: one
        type: Custom
        spec:
          execution:
            steps:
              - step:
                  identifier: pause
                  template:
                    templateInputs:
                      type: Wait
                      spec: {duration: 20s}
"""
    started = api.run("brew", inputs)
    with api.backend.read() as connection:
        plan = executions.require_execution(connection, started).plan
    (step,) = [node for node in plan.root.walk() if node.identifier == "pause"]
    assert (step.type, step.params["duration"]) == ("Wait", "20s")
    resolved = api.data("GET", f"{PIPELINES}/brew")["resolvedTemplatesPipelineYaml"]
    assert "templateRef" not in resolved


def test_pipeline_with_a_missing_template_is_refused_with_its_path(api: Api) -> None:
    source = pipeline("brew", stage("one", step_from("{templateRef: nowhere}")))
    refused = api.refusal(400, "POST", f"{PIPELINES}/v2", data=source)
    (problem,) = refused["metadata"]["schemaErrors"]
    assert problem["yaml_path"].endswith("steps[0].step.template")
    assert "nowhere" in problem["message"]


def test_deleted_pipeline_takes_input_sets_and_triggers_along(api: Api) -> None:
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    params = {"pipelineIdentifier": "brew"}
    api.data("POST", INPUT_SETS, params=params, data=input_set("green", "matcha"))
    api.data("DELETE", f"{PIPELINES}/brew", scope=SCOPE)
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    assert api.data("GET", INPUT_SETS, params=params)["totalItems"] == 0
