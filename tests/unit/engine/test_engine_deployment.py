"""Deployment and CI stages: what delegates are handed, and what is refused with its reason."""

from typing import Any

import pytest
from engine_harness import EngineUnderTest, failed, pipeline

from fake_harness.store.markers import marker

SERVICE = """
service:
  identifier: backend
  name: Backend
  serviceDefinition:
    type: ECS
    spec:
      variables:
        - {name: desiredCount, type: Number, value: 2}
        - {name: greeting, type: String, value: "hello <+env.name>"}
      manifests:
        - manifest:
            identifier: task
            type: EcsTaskDefinition
            spec: {store: {type: Harness, spec: {files: [/ecs/task.yaml]}}}
        - manifest:
            identifier: definition
            type: EcsServiceDefinition
            spec: {store: {type: Inline, spec: {content: "tg: <+targetGroupArn>"}}}
      artifacts:
        primary:
          primaryArtifactRef: <+input>
          sources:
            - identifier: app
              type: Ecr
              spec: {connectorRef: aws, region: us-east-1, imagePath: app, tag: <+input>}
            - identifier: other
              type: Ecr
              spec: {connectorRef: aws, region: us-east-1, imagePath: other, tag: "1"}
        sidecars:
          - sidecar:
              identifier: proxy
              type: Ecr
              spec: {connectorRef: aws, region: us-east-1, imagePath: proxy, tag: "7"}
"""
ENVIRONMENT = """
environment:
  identifier: dev
  name: Development
  type: PreProduction
  variables:
    - {name: target_group, type: String, value: "arn:<+env.name>"}
    - {name: password, type: Secret, value: db_password}
"""
INFRASTRUCTURE = """
infrastructureDefinition:
  identifier: ecs_dev
  name: ecs dev
  type: ECS
  deploymentType: ECS
  environmentRef: dev
  spec: {connectorRef: aws, region: us-east-1, cluster: <+env.identifier>-cluster}
"""
TASK = """
image: <+artifacts.primary.image>
sidecar: <+artifacts.sidecars.proxy.image>
count: <+serviceVariables.desiredCount>
greeting: <+serviceVariables.greeting>
group: <+env.variables.target_group>
password: <+env.variables.password>
cluster: <+infra.cluster>
"""
ROLL_BACK = [{"onFailure": {"errors": ["AllErrors"], "action": {"type": "StageRollback"}}}]


@pytest.fixture
def ready(engine: EngineUnderTest) -> EngineUnderTest:
    engine.entity("service", "backend", SERVICE)
    engine.entity("environment", "dev", ENVIRONMENT)
    engine.entity("infrastructure", "ecs_dev", INFRASTRUCTURE, parent="dev")
    credential = {
        "type": "ManualConfig",
        "spec": {"accessKey": "AKIA", "secretKeyRef": "account.aws_secret"},
    }
    engine.entity("connector", "aws", body={"type": "Aws", "spec": {"credential": credential}})
    engine.entity("secret", "aws_secret", org="", project="")
    engine.secret("db_password", "s3cret")
    engine.file("/ecs/task.yaml", TASK)
    engine.answers["service"] = {"outputs": {"image": "1.dkr.ecr/app:v1", "digest": "sha256:1"}}
    return engine


def deploy(*steps: Any, rollback: Any = (), **service: Any) -> str:
    inputs = {
        "serviceDefinition": {
            "type": "ECS",
            "spec": {
                "artifacts": {
                    "primary": {
                        "primaryArtifactRef": "app",
                        "sources": [{"identifier": "app", "type": "Ecr", "spec": {"tag": "v1"}}],
                    }
                }
            },
        }
    }
    execution = {"steps": list(steps), "rollbackSteps": list(rollback)}
    stage = {
        "identifier": "dev",
        "name": "dev",
        "type": "Deployment",
        "failureStrategies": ROLL_BACK,
        "spec": {
            "deploymentType": "ECS",
            "service": {"serviceRef": "backend", "serviceInputs": inputs, **service},
            "environment": {
                "environmentRef": "dev",
                "deployToAll": False,
                "infrastructureDefinitions": [{"identifier": "ecs_dev"}],
            },
            "execution": execution,
        },
    }
    return pipeline({"stage": stage})


def ecs(identifier: str, kind: str, **spec: Any) -> Any:
    step = {"identifier": identifier, "name": identifier, "type": kind, "timeout": "10m"}
    return {"step": {**step, "spec": spec}}


ROLLING = ecs("roll", "EcsRollingDeploy", sameAsAlreadyRunningInstances=False)


def test_an_ecs_step_gets_rendered_manifests_and_its_target(ready: EngineUnderTest) -> None:
    assert ready.run(deploy(ROLLING)) == "SUCCEEDED", ready.execution().failure
    params = ready.params("roll")
    task, definition = params["manifests"]
    assert task["content"].split("\n") == [
        "",
        "image: 1.dkr.ecr/app:v1",
        "sidecar: 1.dkr.ecr/app:v1",
        "count: 2",
        "greeting: hello Development",
        "group: arn:Development",
        f"password: {marker('db_password')}",
        "cluster: dev-cluster",
        "",
    ]
    assert definition == {
        "identifier": "definition",
        "type": "EcsServiceDefinition",
        "content": "tg: <+targetGroupArn>",
    }
    assert params["infra"]["cluster"] == "dev-cluster"
    assert params["service"] == {"identifier": "backend", "name": "Backend"}
    assert params["sameAsAlreadyRunningInstances"] is False


def test_each_artifact_is_looked_up_by_a_delegate(ready: EngineUnderTest) -> None:
    ready.run(deploy(ROLLING))
    lookups = [package["params"]["imagePath"] for package in ready.packages["service"]]
    assert sorted(lookups) == ["app", "proxy"]
    [app] = [p["params"] for p in ready.packages["service"] if p["params"]["imagePath"] == "app"]
    assert (app["tag"], app["region"], app["registryId"]) == ("v1", "us-east-1", None)
    connector = ready.packages["service"][0]["connectors"]["aws"]
    assert connector["spec"]["credential"]["spec"]["secretKeyRef"] == marker("account.aws_secret")


def test_outcomes_are_kept_where_clients_look_for_them(ready: EngineUnderTest) -> None:
    ready.run(deploy(ROLLING))
    service: Any = ready.node("service").outcomes
    infrastructure: Any = ready.node("infrastructure").outcomes
    assert service["service"]["identifier"] == "backend"
    assert service["artifacts"]["primary"]["digest"] == "sha256:1"
    assert infrastructure["env"]["type"] == "PreProduction"
    assert infrastructure["infra"]["infraIdentifier"] == "ecs_dev"


def test_a_missing_image_fails_the_stage_with_its_reason(ready: EngineUnderTest) -> None:
    ready.answers["service"] = failed("Image app:v1 does not exist")
    assert ready.run(deploy(ROLLING)) == "FAILED"
    assert "Image app:v1 does not exist" in str(ready.execution().failure)
    assert "roll" not in ready.packages


def test_rollback_steps_get_what_earlier_steps_left(ready: EngineUnderTest) -> None:
    ready.answers["create"] = {"rollbackData": {"old": "svc__1"}, "outputs": {"name": "svc__2"}}
    ready.answers["shift"] = failed("gate", rollbackData={"weight": 10})
    status = ready.run(
        deploy(
            ecs(
                "create",
                "EcsBlueGreenCreateService",
                loadBalancer="alb",
                prodListener="arn:l",
                prodListenerRuleArn="arn:r",
                isTrafficShift=True,
                stageTargetGroupArn="arn:tg",
            ),
            ecs(
                "shift",
                "EcsBlueGreenTrafficShift",
                ecsTrafficShiftWrapper={"type": "Inherit", "spec": {"weightPercentage": 10}},
            ),
            rollback=[ecs("undo", "EcsBlueGreenRollback")],
        )
    )
    assert status == "FAILED"
    assert ready.params("undo")["rollbackData"] == {
        "EcsBlueGreenCreateService": {"old": "svc__1"},
        "EcsBlueGreenTrafficShift": {"weight": 10},
    }
    outputs: Any = ready.params("undo")["earlierOutputs"]
    assert outputs["EcsBlueGreenCreateService"] == {"name": "svc__2"}


def test_a_running_stage_does_not_see_edits_of_its_service(ready: EngineUnderTest) -> None:
    execution_id = ready.start(deploy(ROLLING))
    ready.loop.tick()
    ready.file("/ecs/task.yaml", "edited")
    ready.entity("service", "backend", "service: {identifier: backend}")
    assert ready.finish(execution_id) == "SUCCEEDED"
    assert "1.dkr.ecr/app:v1" in ready.params("roll")["manifests"][0]["content"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "type: Harness, spec: {files: [/ecs/task.yaml]}",
            "type: Github, spec: {}",
            "[Github] is not implemented",
        ),
        ("/ecs/task.yaml", "/ecs/nope.yaml", "[/ecs/nope.yaml] is not in the file store"),
        ("type: Ecr", "type: Nexus3Registry", "[Nexus3Registry] is not implemented"),
        ("value: 2", "value: <+input>", "needs runtime inputs"),
        ("connectorRef: aws", "connectorRef: nope", "Connector with identifier [nope] not found"),
        ("tag: <+input>", "tag: <+trigger.nope>", "trigger.nope"),
    ],
)
def test_what_a_service_cannot_do_is_named(
    ready: EngineUnderTest, old: str, new: str, message: str
) -> None:
    ready.entity("service", "backend", SERVICE.replace(old, new))
    text = deploy(ROLLING)
    if "trigger.nope" in new:
        text = text.replace('"tag": "v1"', '"tag": "<+trigger.nope>"')
    assert ready.run(text) == "FAILED"
    assert message in str(ready.execution().failure)


def test_a_service_that_is_not_there_is_named(ready: EngineUnderTest) -> None:
    assert ready.run(deploy(ROLLING, serviceRef="nope")) == "FAILED"
    assert "Service with identifier [nope] not found" in str(ready.execution().failure)


CODEBASE = {
    "ci": {
        "codebase": {
            "connectorRef": "git",
            "repoName": "app",
            "build": {"type": "branch", "spec": {"branch": "main"}},
        }
    }
}


def build(*steps: Any) -> str:
    stage = {
        "identifier": "build",
        "name": "build",
        "type": "CI",
        "spec": {
            "cloneCodebase": True,
            "platform": {"os": "Linux", "arch": "Amd64"},
            "runtime": {"type": "Docker", "spec": {}},
            "execution": {"steps": list(steps)},
        },
    }
    return pipeline({"stage": stage}, properties=CODEBASE)


RUN = {
    "step": {
        "identifier": "test",
        "name": "test",
        "type": "Run",
        "timeout": "10m",
        "spec": {"shell": "Sh", "command": "make test"},
    }
}
AUTHENTICATION = {
    "type": "Http",
    "spec": {"type": "UsernameToken", "spec": {"username": "git", "tokenRef": "git_token"}},
}


@pytest.fixture
def buildable(engine: EngineUnderTest) -> EngineUnderTest:
    spec = {"url": "http://git/workshop", "type": "Account", "authentication": AUTHENTICATION}
    engine.entity("connector", "git", body={"type": "Github", "spec": spec})
    engine.secret("git_token", "t0ken")
    return engine


def test_the_codebase_is_cloned_as_the_trigger_says(buildable: EngineUnderTest) -> None:
    facts = {"type": "Push", "branch": "develop", "commitSha": "c0ffee"}
    assert buildable.run(build(RUN), codebase=facts) == "SUCCEEDED", buildable.execution().failure
    params = buildable.params("clone")
    assert params["url"] == "http://git/workshop/app"
    assert (params["branch"], params["commitSha"]) == ("develop", "c0ffee")
    assert (params["username"], params["token"]) == ("git", marker("git_token"))
    assert (params["depth"], params["cloneDirectory"]) == (50, "/harness")


def test_a_manual_build_clones_the_branch_of_the_yaml(buildable: EngineUnderTest) -> None:
    buildable.run(build(RUN))
    assert (buildable.params("clone")["branch"], buildable.params("clone")["commitSha"]) == (
        "main",
        None,
    )


def test_a_ci_step_finds_harnesss_variables(buildable: EngineUnderTest) -> None:
    facts = {
        "type": "PR",
        "branch": "main",
        "sourceBranch": "topic",
        "targetBranch": "main",
        "prNumber": 7,
        "commitSha": "c0ffee",
        "repoUrl": "http://git/workshop/app.git",
    }
    buildable.run(build(RUN), codebase=facts)
    env = buildable.packages["test"][0]["env"]
    expected = {
        "CI": "true",
        "HARNESS_PIPELINE_ID": "p",
        "HARNESS_STAGE_ID": "build",
        "HARNESS_STEP_ID": "test",
        "HARNESS_BUILD_ID": "1",
        "DRONE_BUILD_NUMBER": "1",
        "CI_BUILD_EVENT": "pull_request",
        "DRONE_COMMIT_SHA": "c0ffee",
        "DRONE_SOURCE_BRANCH": "topic",
        "CI_PULL_REQUEST": "7",
        "DRONE_REPO": "workshop/app",
    }
    assert {name: env.get(name) for name in expected} == expected
    assert buildable.packages["test"][0]["workspaceId"] == buildable.node("build").id
