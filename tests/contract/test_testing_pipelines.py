"""The fixture `harness` in somebody else's project: runs, folders, approvals, plain failures."""

import re
from pathlib import Path

import pytest
from testing_project import HELLO, pytest_run, write

pytestmark = pytest.mark.flaky(reruns=1)

FAILS = """
def test_a_failing_step_is_explained(harness):
    harness.apply(PIPELINE)
    script = "for n in $(seq 30); do echo line $n; done; exit 7"
    harness.run("hello", {"script": script}).assert_succeeded()

def test_a_run_that_does_not_end_is_explained(harness):
    harness.apply(PIPELINE)
    harness.run("hello", {"script": "echo begun; exec sleep 60"}, timeout_s=2)

def test_nothing_of_it_is_left(harness):
    import subprocess
    assert "exec sleep 60" not in subprocess.run(["ps", "ax"], capture_output=True, text=True).stdout
    assert harness.client.executions("default", "tests") == []
"""

RUNS = """
import pytest
from sandbox.errors import SandboxError

def test_outputs_logs_and_calls_of_a_run(harness, aws, sandbox):
    aws.client("sts").get_caller_identity()
    harness.apply(PIPELINE)
    run = harness.run("hello", {"script": "aws s3 mb s3://made; WORD=done"})
    aws.client("iam").list_roles()
    run.assert_succeeded()
    run.assert_not_rolled_back()
    assert run.outputs == {"s/say": {"word": "done"}}
    assert "make_bucket: made" in run.step("say").log
    assert [call.name for call in run.aws_calls] == ["s3.CreateBucket"]
    assert [call.by for call in sandbox.calls()] == ["test", "pipeline", "test"]

def test_a_run_is_aborted(harness):
    harness.apply(PIPELINE)
    run = harness.start("hello", {"script": "sleep 60"})
    run.abort()
    assert run.status == "Aborted"
    run.assert_failed()

def test_a_mistake_in_yaml_is_told_at_once(harness):
    with pytest.raises(SandboxError, match="no Harness entity"):
        harness.apply("family: web\\n")
    with pytest.raises(SandboxError, match="ShellScrip"):
        harness.apply(PIPELINE.replace("type: ShellScript", "type: ShellScrip"))

def test_secrets_are_masked(harness):
    harness.secret("word", "open-sesame")
    harness.apply(PIPELINE)
    script = 'X=\\'<+secrets.getValue("word")>\\'; echo it is $X; WORD=${#X}'
    run = harness.run("hello", {"script": script})
    assert run.step("say").outputs["word"] == "11"
    assert "open-sesame" not in run.step("say").log

@pytest.mark.sandbox(time_scale=1000)
def test_waits_are_short(harness):
    wait = {"step": {"identifier": "w", "name": "w", "type": "Wait", "timeout": "1d",
                     "spec": {"duration": "10m"}}}
    harness.apply({"pipeline": {"identifier": "p", "stages": [{"stage": {
        "identifier": "s", "name": "s", "type": "Custom",
        "spec": {"execution": {"steps": [wait]}}}}]}})
    harness.run("p").assert_steps("w")
"""

FOLDERS = """
from pathlib import Path

from harness_folder import write_rolling_deployment

def test_a_folder_with_sync_yaml_goes_in_as_it_is(aws, harness, tmp_path):
    aws.client("ecs").create_cluster(clusterName="c")
    subnets = [row["SubnetId"] for row in aws.client("ec2").describe_subnets()["Subnets"]]
    task = {
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512", "containerDefinitions": [{"name": "a", "image": "web:1"}],
    }
    network = {"awsvpcConfiguration": {"subnets": subnets[:2]}}
    service = {"serviceName": "web", "launchType": "FARGATE", "desiredCount": 1,
               "networkConfiguration": network}
    write_rolling_deployment(tmp_path, task, service)
    harness.sync(tmp_path)
    harness.run("deploy").assert_steps("roll")

def test_a_rejection_is_told(harness):
    ask = {"identifier": "ask", "name": "ask", "type": "HarnessApproval", "timeout": "1d", "spec": {
        "approvalMessage": "ok?", "includePipelineExecutionHistory": True, "approverInputs": [],
        "approvers": {"userGroups": ["account._account_all_users"], "minimumCount": 1,
                      "disallowPipelineExecutor": False}}}
    harness.apply({"pipeline": {"identifier": "p", "stages": [{"stage": {
        "identifier": "s", "name": "s", "type": "Approval",
        "spec": {"execution": {"steps": [{"step": ask}]}}}}]}})
    run = harness.run("p")
    run.assert_waiting("s/ask")
    run.reject(comments="no")
    assert run.status == "ApprovalRejected"
    run.assert_failed("ask")
"""


def test_runs_tell_what_happened(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_runs=HELLO + RUNS))
    assert outcome.code == 0, outcome.output


def test_folders_and_approvals(tmp_path: Path) -> None:
    beside = str(Path(__file__).parent)
    outcome = pytest_run(write(tmp_path, test_folders=FOLDERS), PYTHONPATH=beside)
    assert outcome.code == 0, outcome.output


def test_failures_say_why(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_fails=HELLO + FAILS))
    assert outcome.tests == {
        "test_a_failing_step_is_explained": "FAILED",
        "test_a_run_that_does_not_end_is_explained": "FAILED",
        "test_nothing_of_it_is_left": "PASSED",
    }, outcome.output
    for text in (
        "step s/say Failed: ",
        "| line 30",
        "The run has not ended within 2 s.",
    ):
        assert text in outcome.output
    assert re.search(r"s/say: (Running|Queued|AsyncWaiting|TaskWaiting) ", outcome.output)
    assert "| line 3\n" not in outcome.output, "only the end of the log is shown"
    assert "sandbox/testing/runs.py" not in outcome.output, "the test's own line is shown"
