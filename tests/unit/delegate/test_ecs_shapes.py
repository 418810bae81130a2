"""Manifests become requests by botocore's shapes."""

from collections.abc import Mapping
from pathlib import Path

import botocore.session
import pytest

from fake_harness.delegate.context import DelegateFacts, StepContext
from fake_harness.delegate.ecs.manifests import load, parse
from fake_harness.delegate.ecs.shapes import filtered, request_from
from fake_harness.delegate.results import StepFailedError

MODELS = botocore.session.Session()
ECS = MODELS.get_service_model("ecs")
SCALING = MODELS.get_service_model("application-autoscaling")
SERVICE = ECS.operation_model("CreateService").input_shape
TASK = ECS.operation_model("RegisterTaskDefinition").input_shape
TARGET = SCALING.operation_model("RegisterScalableTarget").input_shape
POLICY = SCALING.operation_model("PutScalingPolicy").input_shape
BY_NAME = {"service": SERVICE, "task": TASK, "target": TARGET, "policy": POLICY}
WORKSHOP = Path(__file__).parents[3] / "harness" / "manifests" / "ecs"


def manifest(content: str) -> dict[str, object]:
    return {"identifier": "mine", "type": "EcsServiceDefinition", "content": content}


@pytest.mark.parametrize(
    ("content", "request_"),
    [
        pytest.param("desiredCount: '2'", {"desiredCount": 2}, id="number from text"),
        pytest.param('{"desiredCount": 2.0}', {"desiredCount": 2}, id="whole float"),
        pytest.param("enableExecuteCommand: 'True'", {"enableExecuteCommand": True}, id="flag"),
        pytest.param("serviceName: 12", {"serviceName": "12"}, id="text from number"),
        pytest.param("serviceName: a\nrole:\n", {"serviceName": "a"}, id="null is left out"),
        pytest.param('{\n\t"serviceName": "a"\n}', {"serviceName": "a"}, id="JSON with tabs"),
        pytest.param(
            "networkConfiguration: {awsvpcConfiguration: {subnets: [a, b]}}",
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a", "b"]}}},
            id="nested",
        ),
    ],
)
def test_content_becomes_a_request(content: str, request_: Mapping[str, object]) -> None:
    assert parse(manifest(content), SERVICE) == request_


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("desiredCounts: 2", "unknown key [desiredCounts]"),
        (
            "networkConfiguration: {awsvpcConfiguration: {subnet: a}}",
            "unknown key [networkConfiguration.awsvpcConfiguration.subnet]",
        ),
        ("loadBalancers: [{containerPort: 1}, {port: 2}]", "unknown key [loadBalancers[1].port]"),
        ("desiredCount: many", "[desiredCount] must be of type integer"),
        ("desiredCount: 1.5", "[desiredCount] must be of type integer"),
        ("loadBalancers: a", "[loadBalancers] must be a list"),
        ("networkConfiguration: a", "[networkConfiguration] must be an object"),
        ("serviceName: [a]", "[serviceName] must be a text"),
        ("a: [", "cannot be read"),
        ("- a", "holds no object"),
    ],
)
def test_what_does_not_fit_is_refused_with_manifest_and_key(content: str, message: str) -> None:
    with pytest.raises(StepFailedError) as error:
        parse(manifest(content), SERVICE)
    assert "Manifest [mine]" in error.value.message
    assert message in error.value.message


def test_scaling_requests_are_spelled_as_that_service_wants_them() -> None:
    content = load("targetTrackingScalingPolicyConfiguration: {targetValue: '50'}", "it")
    assert request_from(content, POLICY) == {
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50.0}
    }


def test_maps_keep_their_own_keys() -> None:
    content = load(
        "containerDefinitions: [{logConfiguration: {options: {awslogs-group: g, x: }}}]", "it"
    )
    (container,) = request_from(content, TASK)["containerDefinitions"]
    assert container == {"logConfiguration": {"options": {"awslogs-group": "g"}}}


def test_read_only_members_of_a_task_definition_can_be_left_out() -> None:
    content = manifest("family: web\nrevision: 3\nrequiresAttributes: []")
    assert parse(content, TASK, left_out={"revision", "requiresAttributes"}) == {"family": "web"}


def test_a_described_object_loses_what_a_request_does_not_have() -> None:
    described = {
        "serviceName": "web",
        "createdAt": object(),
        "events": [],
        "role": None,
        "loadBalancers": [{"containerName": "web", "x": 1}],
    }
    assert filtered(described, SERVICE) == {
        "serviceName": "web",
        "loadBalancers": [{"containerName": "web"}],
    }


def test_the_workspace_is_not_left(tmp_path: Path) -> None:
    facts = DelegateFacts(work_dir=tmp_path, image_builder="", time_scale=1, environment={})
    context = StepContext({"taskId": "t", "params": {}}, tmp_path, facts)
    assert context.inside("/harness/a/b") == context.workspace.resolve() / "a" / "b"
    assert context.inside("/harness") == context.inside("") == context.workspace.resolve()
    with pytest.raises(StepFailedError, match="leaves the workspace"):
        context.inside("../other")
    context.close()


@pytest.mark.parametrize("path", sorted(WORKSHOP.glob("*.yaml")), ids=lambda path: path.name)
def test_the_workshops_own_manifests_fit(path: Path) -> None:
    kind = next(shape for name, shape in BY_NAME.items() if name in path.name)
    assert parse(manifest(path.read_text()), kind)
