"""EcsRollingDeploy, EcsRollingRollback and the canary steps against ECS, call by call."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from delegate_aws import SCALABLE_TARGET, SCALING_POLICY, Lab, Stage, lab
from ecs_sandbox import TARGET_GROUP

from sandbox.aws.runtime.fake import Program


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab(tmp_path) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        found.build()
        yield found


@pytest.fixture
def stage(made: Lab, tmp_path: Path) -> Stage:
    return Stage(lab=made, folder=tmp_path / "stage", target_group=TARGET_GROUP)


def test_the_first_rolling_deploy_creates_the_service(made: Lab, stage: Stage) -> None:
    result = stage.run("EcsRollingDeploy")
    calls = made.take_calls(reads=True)
    assert result.outputs == {"serviceName": "web"}
    assert calls[:4] == [
        "DescribeServices",
        "RegisterTaskDefinition",
        "DescribeServices",
        "CreateService",
    ]
    assert set(calls[4:-2]) == {"DescribeServices"}
    assert calls[-2:] == ["ListTasks", "DescribeTasks"]
    assert stage.rollback_data["EcsRollingDeploy"]["isFirstDeployment"] is True
    assert any(
        "Deploy: # AWS Event: " in row and "has started 2 tasks" in row for row in stage.log()
    )


def test_the_next_rolling_deploy_updates_it_and_rollback_brings_the_old_one_back(
    made: Lab, stage: Stage, tmp_path: Path
) -> None:
    stage.run("EcsRollingDeploy")
    made.take_calls()
    second = Stage(lab=made, folder=tmp_path / "2", image="web:2", target_group=TARGET_GROUP)
    second.run("EcsRollingDeploy")
    assert made.take_calls() == ["RegisterTaskDefinition", "UpdateService"]
    assert made.services()["web"]["taskDefinition"].endswith("web:2")
    second.run("EcsRollingRollback")
    assert made.take_calls() == ["UpdateService"]
    assert made.services()["web"]["taskDefinition"].endswith("web:1")
    second.run("EcsRollingRollback")
    assert made.take_calls() == []


def test_scaling_is_taken_away_during_an_update_and_put_back(made: Lab, stage: Stage) -> None:
    stage.manifests = [*stage._manifests(), SCALABLE_TARGET, SCALING_POLICY]
    stage.run("EcsRollingDeploy")
    assert made.take_calls() == [
        "RegisterTaskDefinition",
        "CreateService",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]
    stage = stage.next()
    stage.run("EcsRollingDeploy")
    assert made.take_calls() == [
        "RegisterTaskDefinition",
        "DeleteScalingPolicy",
        "DeregisterScalableTarget",
        "UpdateService",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]
    assert made.scaling.targets[0]["MaxCapacity"] == 4
    stage.run("EcsRollingRollback")
    assert made.take_calls()[-3:] == ["UpdateService", "RegisterScalableTarget", "PutScalingPolicy"]
    (policy,) = made.scaling.policies
    assert policy["ResourceId"] == "service/lab/web"


def test_rollback_of_a_first_deployment_deletes_the_service(made: Lab, stage: Stage) -> None:
    made.world.machine.programs["web:bad"] = Program(exit_code=1)
    stage.image = "web:bad"
    error = stage.fails("EcsRollingDeploy")
    assert "failed" in error.message
    made.take_calls()
    stage.run("EcsRollingRollback")
    assert made.take_calls() == ["DeleteService"]
    assert made.services() == {}
    stage.run("EcsRollingRollback")
    assert made.services() == {}


def test_a_deployment_that_ecs_gives_up_fails_with_its_reason(made: Lab, stage: Stage) -> None:
    stage.run("EcsRollingDeploy")
    made.world.machine.programs["web:bad"] = Program(exit_code=1)
    stage = stage.next()
    stage.image = "web:bad"
    error = stage.fails("EcsRollingDeploy")
    assert "tasks failed to start" in error.message
    assert "exited 1)" in error.message, "the task's own end is named"
    stage.run("EcsRollingRollback")
    service = made.services()["web"]
    assert service["taskDefinition"].endswith("web:1")
    assert service["runningCount"] == 2


def test_a_retried_deploy_still_knows_what_was_there_before_the_first_attempt(
    made: Lab, stage: Stage, tmp_path: Path
) -> None:
    stage.run("EcsRollingDeploy")
    second = Stage(lab=made, folder=tmp_path / "2", image="web:bad", target_group=TARGET_GROUP)
    made.world.machine.programs["web:bad"] = Program(exit_code=1)
    second.fails("EcsRollingDeploy")
    second.fails("EcsRollingDeploy")
    second.run("EcsRollingRollback")
    assert made.services()["web"]["taskDefinition"].endswith("web:1")


def test_a_breaker_that_rolls_back_by_itself_is_no_success(made: Lab, stage: Stage) -> None:
    stage.run("EcsRollingDeploy")
    made.world.machine.programs["web:bad"] = Program(exit_code=1)
    stage.image = "web:bad"
    stage.manifests = [
        {**row, "content": row["content"].replace("rollback: false", "rollback: true")}
        for row in stage._manifests()
    ]
    error = stage.fails("EcsRollingDeploy")
    assert "deployment" in error.message


def test_steady_state_times_out_with_the_type_timeout(made: Lab, stage: Stage) -> None:
    made.world.machine.programs["web:slow"] = Program(pull_error="not yet")
    stage.image = "web:slow"
    stage.manifests = [
        {**row, "content": row["content"].replace("enable: true", "enable: false")}
        for row in stage._manifests()
    ]
    error = stage.fails("EcsRollingDeploy", timeout_s=1.5)
    assert error.failure_types == ("TIMEOUT_ERROR",)


def test_same_as_already_running_leaves_the_count_alone(made: Lab, stage: Stage) -> None:
    stage.run("EcsRollingDeploy")
    made.client("ecs").update_service(cluster="lab", service="web", desiredCount=3)
    stage.run("EcsRollingDeploy", sameAsAlreadyRunningInstances=True)
    assert made.services()["web"]["desiredCount"] == 3


def test_rollback_after_a_deploy_that_never_ran_does_nothing(made: Lab, stage: Stage) -> None:
    stage.run("EcsRollingRollback")
    stage.run("EcsBlueGreenRollback")
    stage.run("StandAloneTrafficShiftRollback")
    assert made.take_calls(reads=True) == []


def test_the_canary_is_one_task_beside_the_service(made: Lab, stage: Stage) -> None:
    result = stage.run("EcsCanaryDeploy")
    assert result.outputs == {"canaryServiceName": "webCanary"}
    assert made.take_calls() == ["RegisterTaskDefinition", "CreateService"]
    assert made.services()["webCanary"]["desiredCount"] == 1
    stage.run("EcsCanaryDeploy")
    assert made.take_calls() == ["RegisterTaskDefinition", "DeleteService", "CreateService"]
    stage.run("EcsCanaryDelete")
    assert made.take_calls() == ["DeleteService"]
    stage.run("EcsCanaryDelete")
    assert made.take_calls() == []
    assert made.services() == {}
