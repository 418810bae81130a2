"""The fixtures `aws` and `sandbox` in somebody else's project: recorded calls and tasks."""

from pathlib import Path

import pytest
from testing_project import pytest_run, write

pytestmark = pytest.mark.flaky(reruns=1)

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
    wait = {"Delay": 1, "MaxAttempts": 60}
    ecs = aws.client("ecs")
    ecs.get_waiter("services_stable").wait(cluster="c", services=["web"], WaiterConfig=wait)
    # The waiter counts running tasks; as on AWS, their targets may still be tried.
    deadline = time.monotonic() + 60
    while web() != ["healthy", "healthy"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert web() == ["healthy", "healthy"]

@pytest.fixture
def sick(sandbox):
    sandbox.script_image("web:1", health="UNHEALTHY")

def test_an_unhealthy_image_does_not(sick, web, sandbox):
    deadline = time.monotonic() + 60
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


MISTAKES = """
import pytest
from sandbox.errors import UsageError

def test_a_mistake_is_told_in_a_sentence(sandbox):
    with pytest.raises(UsageError, match="^health='SICK' is not one of HEALTHY, UNHEALTHY$"):
        sandbox.script_image("app", health="SICK")
    with pytest.raises(UsageError, match="nothing here is named 'arn:none'$"):
        sandbox.exit_container("arn:none", "app", 1)
"""


def test_mistakes_are_told(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_mistakes=MISTAKES))
    assert outcome.code == 0, outcome.output


def test_calls_are_recorded(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_calls=CALLS))
    assert outcome.code == 0, outcome.output


def test_load_balanced_services_become_steady(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_balanced=BALANCED))
    assert outcome.code == 0, outcome.output


def test_tasks_may_be_real_processes(tmp_path: Path) -> None:
    beside = str(Path(__file__).parent)
    outcome = pytest_run(write(tmp_path, test_processes=PROCESSES), PYTHONPATH=beside)
    assert outcome.code == 0, outcome.output
    assert len(outcome.tests) == 3
