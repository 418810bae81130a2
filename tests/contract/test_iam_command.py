"""`sandbox iam policy` after real calls: IAM accepts it, and it says neither more nor less."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from gateway_server import GatewayServer

from sandbox.environments import DELEGATE_KEY_ID

PROGRAM = Path(sys.executable).parent / "sandbox"
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.0 terraform-provider-aws/6.0.0"
ROLE = "arn:aws:iam::000000000000:role/policy-task"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-0123456789abcdef0"]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path_factory.mktemp("policy") / "home")
    server.start()
    yield server
    server.stop()


def run(server: GatewayServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"SANDBOX_HOME": str(server.home), "SANDBOX_AWS_PORT": str(server.port)}
    return subprocess.run(
        [str(PROGRAM), "iam", "policy", *arguments],
        env=server.environment | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def client(server: GatewayServer, service: str, key: str = "test", agent: str = "") -> Any:
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(user_agent_extra=agent, retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def called(server: GatewayServer) -> GatewayServer:
    """Terraform has made a stack, and the delegate has deployed to it."""
    made = [client(server, name, agent=TERRAFORM) for name in ("ec2", "iam", "ecs", "s3", "logs")]
    ec2, iam, ecs, s3, logs = made
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")
    ec2.describe_vpcs(VpcIds=[vpc])
    iam.create_role(RoleName="policy-task", AssumeRolePolicyDocument="{}")
    ecs.create_cluster(clusterName="policy")
    s3.create_bucket(Bucket="policy-bucket")
    logs.create_log_group(logGroupName="/ecs/policy")

    deploy = client(server, "ecs", DELEGATE_KEY_ID)
    family = deploy.register_task_definition(
        family="policy",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=ROLE,
        containerDefinitions=[{"name": "a", "image": "x"}],
    )["taskDefinition"]["family"]
    with pytest.raises(deploy.exceptions.ServiceNotFoundException):
        deploy.update_service(cluster="policy", service="web", taskDefinition=family)
    deploy.describe_services(cluster="policy", services=["web"])
    return server


def test_delegate_may_do_what_it_did_and_nothing_else(called: GatewayServer) -> None:
    done = run(called, "--for", "delegate", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    ecs = "arn:aws:ecs:us-east-1:000000000000:"
    assert json.loads(done.stdout) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ecs:DescribeServices", "ecs:UpdateService"],
                "Resource": [f"{ecs}service/policy/web"],
            },
            {
                "Effect": "Allow",
                "Action": ["ecs:RegisterTaskDefinition"],
                "Resource": [f"{ecs}task-definition/policy:*"],
            },
            {
                "Effect": "Allow",
                "Action": ["iam:PassRole"],
                "Resource": [ROLE],
                "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            },
        ],
    }


def test_policy_is_one_that_iam_accepts(called: GatewayServer) -> None:
    done = run(called, "--for", "terraform", "--account", "111122223333")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("# terraform: 7 actions, from ")
    assert "000000000000" not in done.stdout
    assert "vpc-" not in done.stdout
    made = called.client("iam").create_policy(PolicyName="terraform", PolicyDocument=done.stdout)
    version = called.client("iam").get_policy_version(
        PolicyArn=made["Policy"]["Arn"], VersionId="v1"
    )
    assert version["PolicyVersion"]["Document"] == json.loads(done.stdout)


def test_exact_keeps_ids_and_split_prints_a_list(called: GatewayServer) -> None:
    assert "vpc/vpc-" in run(called, "--for", "terraform", "--exact").stdout
    assert len(json.loads(run(called, "--for", "terraform", "--split").stdout)) == 1


def test_denied_call_is_named_and_not_granted(called: GatewayServer) -> None:
    run(called, "--for", "delegate")  # so that everything is written
    path = called.home / "aws" / "trail.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO permissions VALUES "
            "('denied-one', 'ecs:RunTask', '*', '', 'AccessDeniedException', 1, 0)"
        )
    done = run(called, "--for", "denied-one", "--json")
    assert json.loads(done.stdout)["Statement"] == []
    assert done.stderr == "# denied: ecs:RunTask on * (AccessDeniedException)\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--for", "task/nobody"), 1, "Calls were made by: "),
        (("--for", "terraform", "--account", "1"), 2, "12 digits"),
        ((), 2, "Missing option '--for'"),
    ],
)
def test_wrong_word_is_explained(
    called: GatewayServer, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(called, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr


def test_policy_is_still_there_when_the_sandbox_is_down(called: GatewayServer) -> None:
    before = run(called, "--for", "delegate").stdout
    called.stop()
    assert run(called, "--for", "delegate").stdout == before
