"""The pytest plugin in somebody else's project: isolation, laziness, options, plain failures."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testing_project import pytest_run, write

pytestmark = pytest.mark.flaky(reruns=1)

HELLO = '''
PIPELINE = """
pipeline:
  identifier: hello
  name: hello
  variables:
    - {name: script, type: String, value: <+input>}
  stages:
    - stage:
        identifier: s
        name: s
        type: Custom
        spec:
          execution:
            steps:
              - step:
                  identifier: say
                  name: say
                  type: ShellScript
                  timeout: 1m
                  spec:
                    shell: Bash
                    onDelegate: true
                    source: {type: Inline, spec: {script: "<+pipeline.variables.script>"}}
                    outputVariables: [{name: word, type: String, value: WORD}]
"""
'''

ISOLATION = """
import os

import boto3
import pytest

BEFORE = dict(os.environ)

@pytest.mark.parametrize("turn", [1, 2])
def test_starts_empty(aws, sandbox, turn):
    s3, ecs, iam = aws.client("s3"), aws.client("ecs"), aws.client("iam")
    assert s3.list_buckets()["Buckets"] == []
    assert ecs.list_clusters()["clusterArns"] == []
    assert iam.list_roles()["Roles"] == []
    assert [call.name for call in sandbox.calls()] == [
        "s3.ListBuckets", "ecs.ListClusters", "iam.ListRoles"
    ]
    s3.create_bucket(Bucket="left")
    ecs.create_cluster(clusterName="left")
    iam.create_role(RoleName="left", AssumeRolePolicyDocument="{}")

def test_resources_come_here_too(aws):
    bucket = aws.resource("s3").create_bucket(Bucket="made")
    assert [found.name for found in aws.resource("s3").buckets.all()] == [bucket.name]

def test_the_person_s_environment_is_neither_read_nor_changed(aws, sandbox):
    assert os.environ["AWS_PROFILE"] == "nobody"
    assert dict(os.environ) | {"PYTEST_CURRENT_TEST": ""} == BEFORE | {"PYTEST_CURRENT_TEST": ""}
    assert aws.client("sts").get_caller_identity()["Account"] == sandbox.account_id
    with pytest.raises(Exception, match="nobody"):
        boto3.Session().client("sts")

def test_a_variable_points_code_here(sandbox, monkeypatch):
    monkeypatch.delenv("AWS_PROFILE")
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("sqs").create_queue(QueueName="q")
    (call,) = sandbox.calls(service="sqs")
    assert (call.operation, call.parameters["QueueName"], call.by) == ("CreateQueue", "q", "test")

@pytest.mark.sandbox(reset=False)
def test_what_was_left_can_be_kept(aws):
    assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 1

def test_harness_was_never_started(sandbox):
    assert not sandbox._harness.is_started
"""

CALLS = """
import pytest
from botocore.exceptions import ClientError

def test_calls_are_named_whatever_their_protocol(aws, sandbox):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="a b/c+d", Body=b"1")
    s3.copy_object(Bucket="bucket", Key="e", CopySource={"Bucket": "bucket", "Key": "a b/c+d"})
    s3.put_object_tagging(Bucket="bucket", Key="e", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.list_objects_v2(Bucket="bucket")
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "e"}]})
    aws.client("iam").list_roles()
    aws.client("dynamodb").list_tables()
    aws.client("route53").list_hosted_zones()
    aws.client("elbv2").describe_load_balancers()
    aws.client("cloudwatch").list_metrics()
    aws.client("ec2").describe_vpcs(VpcIds=[])
    with pytest.raises(ClientError):
        aws.client("ecs").list_services(cluster="none")
    calls = sandbox.calls()
    assert [call.name for call in calls] == [
        "s3.CreateBucket", "s3.PutObject", "s3.CopyObject", "s3.PutObjectTagging",
        "s3.ListObjectsV2", "s3.DeleteObjects", "iam.ListRoles", "dynamodb.ListTables",
        "route53.ListHostedZones", "elbv2.DescribeLoadBalancers", "cloudwatch.ListMetrics",
        "ec2.DescribeVpcs", "ecs.ListServices",
    ]
    assert calls[1].parameters["Key"] == "a b/c+d"
    assert (calls[-1].status, calls[-1].error) == (400, "ClusterNotFoundException")
    sandbox.assert_called("s3.CreateBucket", "CopyObject", "ecs.*")
    with pytest.raises(AssertionError, match="s3.CreateBucket was not called"):
        sandbox.assert_called("s3.CopyObject", "s3.CreateBucket")
"""

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

BALANCED = """
import time

import pytest

@pytest.fixture
def web(aws):
    ec2, elb, ecs = (aws.client(name) for name in ("ec2", "elbv2", "ecs"))
    subnets = ec2.describe_subnets()["Subnets"][:2]
    ids = [row["SubnetId"] for row in subnets]
    group = elb.create_target_group(
        Name="web", Protocol="HTTP", Port=80, TargetType="ip", VpcId=subnets[0]["VpcId"]
    )["TargetGroups"][0]["TargetGroupArn"]
    balancer = elb.create_load_balancer(Name="web", Subnets=ids)["LoadBalancers"][0]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    ecs.create_cluster(clusterName="c")
    container = {"name": "web", "image": "web:1", "portMappings": [{"containerPort": 80}]}
    ecs.register_task_definition(
        family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
        memory="512", containerDefinitions=[container],
    )
    ecs.create_service(
        cluster="c", serviceName="web", taskDefinition="web", desiredCount=2,
        launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": ids}},
        loadBalancers=[{"targetGroupArn": group, "containerName": "web", "containerPort": 80}],
    )
    return lambda: [
        row["TargetHealth"]["State"]
        for row in elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ]

def test_a_balanced_service_becomes_steady(web, aws):
    wait = {"Delay": 1, "MaxAttempts": 20}
    ecs = aws.client("ecs")
    ecs.get_waiter("services_stable").wait(cluster="c", services=["web"], WaiterConfig=wait)
    assert web() == ["healthy", "healthy"]

@pytest.fixture
def sick(sandbox):
    sandbox.script_image("web:1", health="UNHEALTHY")

def test_an_unhealthy_image_does_not(sick, web, sandbox):
    deadline = time.monotonic() + 20
    while "unhealthy" not in web() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "unhealthy" in web()
    assert "healthy" not in web()
"""

PROCESSES = """
import hashlib
import subprocess
import sys
import time

import pytest
import requests
from own_images import make_image

MARK = "time.sleep(613)"

def processes():
    return subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout

def push(sandbox, aws, built):
    ecr = aws.client("ecr")
    uri = ecr.create_repository(repositoryName="app")["repository"]["repositoryUri"]
    (login,) = ecr.get_authorization_token()["authorizationData"]
    headers = {"Authorization": "Basic " + login["authorizationToken"]}
    for body in (built.config, *(layer.path.read_bytes() for layer in built.layers)):
        url = f"{sandbox.url}/v2/app/blobs/uploads/?digest=sha256:{hashlib.sha256(body).hexdigest()}"
        requests.post(url, data=body, headers=headers).raise_for_status()
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    url = f"{sandbox.url}/v2/app/manifests/v1"
    requests.put(url, data=built.manifest, headers=headers | kind).raise_for_status()
    return f"{uri}:v1"

@pytest.mark.sandbox(runtime="process")
def test_a_task_is_a_real_process(sandbox, aws, tmp_path):
    image = push(sandbox, aws, make_image(tmp_path / "image"))
    ecs, ec2 = aws.client("ecs"), aws.client("ec2")
    ecs.create_cluster(clusterName="c")
    command = [sys.executable, "-c", f"import time; {MARK}"]
    role = aws.client("iam").create_role(RoleName="pull", AssumeRolePolicyDocument="{}")["Role"]
    ecs.register_task_definition(
        family="app", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
        memory="512", executionRoleArn=role["Arn"],
        containerDefinitions=[{"name": "a", "image": image, "command": command}],
    )
    subnets = [ec2.describe_subnets()["Subnets"][0]["SubnetId"]]
    (task,) = ecs.run_task(
        cluster="c", taskDefinition="app", launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
    )["tasks"]
    waiter = ecs.get_waiter("tasks_running")
    arns = [task["taskArn"]]
    waiter.wait(cluster="c", tasks=arns, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert MARK in processes()

def test_it_is_gone_with_its_test(sandbox):
    assert sandbox.wish.runtime == "fake"
    assert MARK not in processes()

@pytest.mark.sandbox(runtime="process")
def test_the_fake_is_not_there_to_be_scripted(sandbox):
    with pytest.raises(Exception, match="needs the fake runtime"):
        sandbox.script_image("app", exit_code=1)
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


def test_each_test_has_an_account_of_its_own(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_all=ISOLATION), "-W", "error", AWS_PROFILE="nobody")
    assert outcome.code == 0, outcome.output
    assert len(outcome.tests) == 7


def test_calls_are_recorded(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_calls=CALLS))
    assert outcome.code == 0, outcome.output


def test_runs_tell_what_happened(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_runs=HELLO + RUNS))
    assert outcome.code == 0, outcome.output


def test_load_balanced_services_become_steady(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_balanced=BALANCED))
    assert outcome.code == 0, outcome.output


def test_tasks_may_be_real_processes(tmp_path: Path) -> None:
    beside = str(Path(__file__).parent)
    outcome = pytest_run(write(tmp_path, test_processes=PROCESSES), PYTHONPATH=beside)
    assert outcome.code == 0, outcome.output
    assert len(outcome.tests) == 3


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


def test_workers_do_not_meet_and_nothing_is_left(tmp_path: Path, temporary: Path) -> None:
    test = """
import os, pytest
@pytest.mark.parametrize("n", range(4))
def test_alone(aws, sandbox, n):
    s3 = aws.client("s3")
    assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="same-name")
    print("FOLDER", os.environ["PYTEST_XDIST_WORKER"], sandbox._folder)
"""
    outcome = pytest_run(
        write(tmp_path, test_alone=test), "-p", "xdist", "-n", "2", TMPDIR=str(temporary)
    )
    assert outcome.code == 0, outcome.output
    assert "gw0" in outcome.output
    assert "gw1" in outcome.output
    assert not sandboxes_in(temporary)


def test_ctrl_c_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    test = """
import os, signal, time
from pathlib import Path
def test_interrupted(harness):
    # What was started in a shell's background ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    harness.apply(PIPELINE)
    harness.start("hello", {"script": "touch BEGUN; exec sleep 61"})
    deadline = time.monotonic() + 30
    while not Path("BEGUN").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)
""".replace("BEGUN", str(tmp_path / "begun"))
    outcome = pytest_run(write(tmp_path, test_c=HELLO + test), TMPDIR=str(temporary))
    assert (tmp_path / "begun").exists(), outcome.output
    assert outcome.code == 2, outcome.output
    assert not sandboxes_in(temporary)


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        ("sandbox_runtime = docker", "'docker' is not one of fake, process"),
        ("sandbox_time_scale = fast", "'fast' is no number"),
        ("sandbox_reset = never", "'never' is not one of test, module, session"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, ini: str, message: str) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    outcome = pytest_run(tmp_path)
    assert outcome.code == 4
    assert message in outcome.output


def test_a_module_can_share_its_state(tmp_path: Path) -> None:
    test = """
import pytest

@pytest.fixture(scope="module")
def bucket(aws):
    aws.client("s3").create_bucket(Bucket="shared")

@pytest.mark.parametrize("n", [1, 2])
def test_shared(bucket, aws, n):
    assert [row["Name"] for row in aws.client("s3").list_buckets()["Buckets"]] == ["shared"]
"""
    (tmp_path / "pytest.ini").write_text("[pytest]\nsandbox_reset = module\n")
    outcome = pytest_run(write(tmp_path, test_one=test, test_two=test))
    assert outcome.code == 0, outcome.output
    assert "4 passed" in outcome.output


def test_nothing_is_started_for_tests_that_do_not_ask(tmp_path: Path, temporary: Path) -> None:
    test = """
from pathlib import Path
def test_plain():
    assert not list(Path("FOLDER").iterdir())
""".replace("FOLDER", str(temporary))
    outcome = pytest_run(write(tmp_path, test_plain=test), TMPDIR=str(temporary))
    assert outcome.code == 0, outcome.output


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder for one run, short enough for the sockets below it."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


def sandboxes_in(folder: Path) -> list[str]:
    """Return what is left of sandboxes below a folder: their folders and their processes."""
    command = ["ps", "axww", "-o", "args"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    files = [path.name for path in folder.iterdir() if path.name.startswith("sandbox-")]
    return files + [line for line in done.stdout.splitlines() if str(folder) in line]
