"""The delegate under the real API and engine, deploying to ECS: the parts fit, failure included."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from delegate_aws import CLUSTER, Lab, lab, service_definition, task_definition
from ecs_sandbox import REGION
from harness_processes import Harness, harness_with_delegate


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    (tmp_path / "aws").mkdir()
    with lab(tmp_path / "aws") as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        found.build()
        yield found


@pytest.fixture
def harness(made: Lab, tmp_path: Path) -> Iterator[Harness]:
    with harness_with_delegate(tmp_path, {"FAKE_HARNESS_TIME_SCALE": "50"}, fill) as started:
        yield started


def fill(harness: Harness) -> None:
    """Make connector, service, environment and infrastructure."""
    credential = {"credential": {"type": "InheritFromDelegate"}}
    harness.entity("connector", "aws", {}, body={"type": "Aws", "spec": credential})
    harness.entity("environment", "prod", {"environment": {"identifier": "prod", "name": "prod"}})
    spec = {"connectorRef": "aws", "region": REGION, "cluster": CLUSTER}
    harness.entity(
        "infrastructure",
        "ecs",
        {"infrastructureDefinition": {"identifier": "ecs", "type": "ECS", "spec": spec}},
        parent="prod",
    )
    image = "<+pipeline.variables.image>"
    manifests = [
        inline("task", "EcsTaskDefinition", task_definition(image)),
        inline(
            "service",
            "EcsServiceDefinition",
            service_definition("web", 2, "<+targetGroupArn>"),
        ),
    ]
    definition = {"type": "ECS", "spec": {"manifests": manifests}}
    harness.entity(
        "service",
        "web",
        {"service": {"identifier": "web", "name": "web", "serviceDefinition": definition}},
    )


def inline(identifier: str, kind: str, content: str) -> dict[str, object]:
    store = {"type": "Inline", "spec": {"content": content}}
    return {"manifest": {"identifier": identifier, "type": kind, "spec": {"store": store}}}


def step(identifier: str, kind: str, spec: Mapping[str, object], **more: object) -> dict[str, Any]:
    inner = {"identifier": identifier, "name": identifier, "type": kind, "timeout": "2m"}
    return {"step": {**inner, "spec": spec, **more}}


def shift(weight: int) -> dict[str, Any]:
    wrapper = {"type": "Inherit", "spec": {"weightPercentage": weight}}
    return step(f"shift_{weight}", "EcsBlueGreenTrafficShift", {"ecsTrafficShiftWrapper": wrapper})


def gate(script: str) -> dict[str, Any]:
    source = {"type": "Inline", "spec": {"script": script}}
    return step("gate", "ShellScript", {"shell": "Bash", "onDelegate": True, "source": source})


def pipeline(made: Lab, image: str, steps: Sequence[Mapping[str, Any]]) -> str:
    create = {
        "loadBalancer": "lb",
        "prodListener": made.listeners["prod"],
        "prodListenerRuleArn": made.rules["prod"],
        "isTrafficShift": True,
        "stageTargetGroupArn": made.groups["green"],
    }
    spec = {
        "deploymentType": "ECS",
        "service": {"serviceRef": "web"},
        "environment": {
            "environmentRef": "prod",
            "deployToAll": False,
            "infrastructureDefinitions": [{"identifier": "ecs"}],
        },
        "execution": {
            "steps": [step("create", "EcsBlueGreenCreateService", create), *steps],
            "rollbackSteps": [step("back", "EcsBlueGreenRollback", {})],
        },
    }
    rollback = {"errors": ["AllErrors"], "action": {"type": "StageRollback"}}
    stage = {
        "identifier": "deploy",
        "name": "deploy",
        "type": "Deployment",
        "spec": spec,
        "failureStrategies": [{"onFailure": rollback}],
    }
    document = {
        "identifier": "p",
        "name": "p",
        "orgIdentifier": "default",
        "projectIdentifier": "demo",
        "variables": [{"name": "image", "type": "String", "value": image}],
        "stages": [{"stage": stage}],
    }
    return json.dumps({"pipeline": document})


def test_a_release_shifts_by_shares_and_a_bad_one_goes_back(made: Lab, harness: Harness) -> None:
    assert harness.run(pipeline(made, "web:1", [shift(100)])) == "SUCCEEDED", harness.statuses()
    assert made.weights() == {"blue": 0, "green": 100}
    assert harness.run(pipeline(made, "web:2", [shift(10), gate("true"), shift(100)])) == (
        "SUCCEEDED"
    )
    assert made.weights() == {"blue": 100, "green": 0}
    status = harness.run(pipeline(made, "web:3", [shift(10), gate("exit 1"), shift(100)]))
    assert status == "FAILED"
    statuses = harness.statuses()
    assert (statuses["gate"], statuses["back"]) == ("FAILED", "SUCCEEDED")
    assert "shift_100" not in statuses
    assert made.weights() == {"blue": 100, "green": 0}
    services = made.services()
    assert services["web__2"]["tags"] == {"BG_VERSION": "BLUE"}
    assert (services["web__2"]["desiredCount"], services["web__1"]["desiredCount"]) == (2, 0)
    assert services["web__2"]["taskDefinition"].endswith(":2")
    output = harness.nodes()["create"].outcomes["output"]
    assert isinstance(output, Mapping)
    assert output["serviceName"] == "web__1"
