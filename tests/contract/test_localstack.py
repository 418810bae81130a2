"""A LocalStack behind the gateway: one Terraform stack, one task, one truth. In order."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ecs_client import boto_client, ecs_client
from gateway_server import GatewayServer
from localstack_server import MISSING, PYTHON, LocalStackServer
from sandbox_command import PROJECT, Command, free_port, own_environment, running_sandbox

STACK = PROJECT / "tests" / "testdata" / "localstack_stack"
GROUP = "/ecs/localstack-stack"
BUCKET = "localstack-stack-artifacts"
ACCOUNT = "111122223333"
NO_CHANGES = 0

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason=MISSING),
    pytest.mark.skipif(
        shutil.which("terraform") is None and shutil.which("tofu") is None,
        reason="neither terraform nor tofu is on PATH",
    ),
]


class Stack:
    """The stack's folder and what a person does with it."""

    def __init__(self, sandbox: Command, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder

    def terraform(self, command: str, *arguments: str, code: int = 0) -> str:
        program = Path(shutil.which("terraform") or "tofu").name
        done = self.sandbox(
            *("exec", "--", program, f"-chdir={self.folder}", command, "-no-color", *arguments),
            check=False,
            timeout=600,
        )
        assert done.returncode == code, done.stdout[-6000:] + done.stderr[-3000:]
        return done.stdout

    def output(self, name: str) -> str:
        return self.terraform("output", "-raw", name)


@pytest.fixture(scope="module")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStackServer]:
    server = LocalStackServer(tmp_path_factory.mktemp("localstack"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def sandbox(
    tmp_path_factory: pytest.TempPathFactory, localstack: LocalStackServer
) -> Iterator[Command]:
    home = tmp_path_factory.mktemp("sandbox") / "state"
    # An account that is not LocalStack's own default: requests must name it.
    target = {"aws": "localstack", "localstack_url": localstack.url, "account_id": ACCOUNT}
    with running_sandbox(home, engine="process", **target) as command:
        yield command


@pytest.fixture(scope="module")
def stack(sandbox: Command, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack, applied."""
    folder = tmp_path_factory.mktemp("stack") / "stack"
    shutil.copytree(STACK, folder)
    made = Stack(sandbox, folder)
    made.terraform("init", "-input=false")
    made.terraform("apply", "-input=false", "-auto-approve")
    return made


def health(sandbox: Command) -> Any:
    url = sandbox.json("env")["set"]["AWS_ENDPOINT_URL"]
    with urllib.request.urlopen(f"{url}/_sandbox/health") as answer:
        return json.load(answer)


def theirs(localstack: LocalStackServer, service: str) -> Any:
    """Return a client of LocalStack itself, in the sandbox's account."""
    client = localstack.client(service)
    client._request_signer._credentials.access_key = ACCOUNT
    return client


def test_plan_right_after_apply_is_empty(stack: Stack) -> None:
    stack.terraform("plan", "-input=false", "-detailed-exitcode", code=NO_CHANGES)


def test_resources_are_in_localstack(stack: Stack, localstack: LocalStackServer) -> None:
    s3 = theirs(localstack, "s3")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == [BUCKET]
    note = s3.get_object(Bucket=BUCKET, Key="notes/one two+three.txt")
    assert note["Body"].read() == b"kept in LocalStack"
    groups = theirs(localstack, "logs").describe_log_groups()["logGroups"]
    assert [(g["logGroupName"], g["retentionInDays"]) for g in groups] == [(GROUP, 7)]
    iam = theirs(localstack, "iam")
    role = iam.get_role(RoleName="localstack-stack-task")["Role"]
    assert role["Arn"] == stack.output("role_arn")
    assert f":{ACCOUNT}:" in role["Arn"]
    policies = iam.list_attached_role_policies(RoleName="localstack-stack-task")
    assert len(policies["AttachedPolicies"]) == 1
    secret = theirs(localstack, "secretsmanager").get_secret_value(
        SecretId=stack.output("secret_arn")
    )
    assert json.loads(secret["SecretString"]) == {"url": "postgres://from-localstack"}


def test_resources_are_nowhere_else(stack: Stack, sandbox: Command, tmp_path: Path) -> None:
    shutil.copytree(sandbox.home / "aws" / "moto", tmp_path / "home" / "aws" / "moto")
    alone = GatewayServer(tmp_path / "home")
    alone.start()
    try:
        assert alone.client("s3").list_buckets()["Buckets"] == []
        assert alone.client("logs").describe_log_groups()["logGroups"] == []
        assert alone.client("iam").list_roles()["Roles"] == []
        assert alone.client("secretsmanager").list_secrets()["SecretList"] == []
    finally:
        alone.stop()


def test_health_says_who_answers_what(sandbox: Command, localstack: LocalStackServer) -> None:
    page = health(sandbox)
    assert page["status"] == "running"
    assert page["localstack"]["url"] == localstack.url
    by = {name: row["by"] for name, row in page["services"].items()}
    assert {by[name] for name in ("s3", "logs", "iam", "secretsmanager")} == {"localstack"}
    assert {by[name] for name in ("ecs", "ecr", "elbv2")} == {"sandbox"}
    assert by["ec2"] == by["acm"] == "moto"


def test_task_has_localstacks_secret_and_logs_there(
    stack: Stack, sandbox: Command, localstack: LocalStackServer
) -> None:
    client = ecs_client(sandbox)  # its execution role is made by the gateway, too
    client.registry = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
    program = "import os; print('given', os.environ['DATABASE_URL'])"
    task = client.run_to_its_end(
        {
            "command": ["python", "-c", program],
            "secrets": [
                {"name": "DATABASE_URL", "valueFrom": stack.output("secret_arn") + ":url::"}
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": GROUP,
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "task",
                },
            },
        }
    )
    assert task["containers"][0].get("exitCode") == 0, task
    for logs in (theirs(localstack, "logs"), boto_client(sandbox, "logs")):
        events = logs.filter_log_events(logGroupName=GROUP)["events"]
        assert [e["message"] for e in events] == ["given postgres://from-localstack"]
    task_id = task["taskArn"].rpartition("/")[2]
    assert events[0]["logStreamName"] == f"task/app/{task_id}"


def test_role_that_localstack_does_not_have_is_refused(sandbox: Command) -> None:
    ecs = boto_client(sandbox, "ecs")
    definition = ecs.describe_task_definition(taskDefinition="test-1")["taskDefinition"]
    role = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    kept = ("networkMode", "containerDefinitions", "cpu", "memory", "requiresCompatibilities")
    ecs.register_task_definition(
        family="roleless", executionRoleArn=role, **{name: definition[name] for name in kept}
    )
    network = boto_client(sandbox, "ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    with pytest.raises(ClientError, match="nobody"):
        ecs.run_task(
            cluster="c",
            taskDefinition="roleless",
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [network]}},
        )


def test_destroy_leaves_nothing_in_localstack(stack: Stack, localstack: LocalStackServer) -> None:
    theirs(localstack, "iam").get_role(RoleName="localstack-stack-task")
    stack.terraform("destroy", "-input=false", "-auto-approve")
    assert theirs(localstack, "s3").list_buckets()["Buckets"] == []
    assert theirs(localstack, "logs").describe_log_groups()["logGroups"] == []
    assert theirs(localstack, "secretsmanager").list_secrets()["SecretList"] == []


def test_licensed_services_are_asked_for_when_it_is_to_be_alone(
    localstack: LocalStackServer, tmp_path: Path
) -> None:
    env = own_environment(tmp_path / "state", localstack_url=localstack.url)
    done = Command(env=env, home=tmp_path)("up", "--aws", "localstack-only", check=False)
    assert done.returncode == 3
    assert f"The LocalStack at {localstack.url}" in done.stderr
    assert "has no ecs, ecr, elbv2" in done.stderr
    assert "--aws localstack" in done.stderr
    assert not (tmp_path / "state").exists()


def test_localstack_that_dies_is_missed_and_found_again(
    sandbox: Command, localstack: LocalStackServer
) -> None:
    localstack.kill()
    with pytest.raises(ClientError) as refused:
        boto_client(sandbox, "iam").list_roles()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert localstack.url in refused.value.response["Error"]["Message"]
    page = health(sandbox)
    assert page["status"] == "degraded"
    assert page["localstack"]["status"] == "unreachable"
    assert page["services"]["s3"] == {"status": "unavailable", "by": "localstack"}
    assert boto_client(sandbox, "ecs").list_clusters()["clusterArns"]
    localstack.start()
    assert boto_client(sandbox, "s3").list_buckets()["Buckets"] == []
    assert health(sandbox)["status"] == "running"


def test_up_names_the_localstack_that_does_not_answer(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    env = own_environment(tmp_path / "state", localstack_url=url)
    done = Command(env=env, home=tmp_path)("up", "--aws", "localstack", check=False)
    assert done.returncode == 3
    assert f"No LocalStack answers at {url}" in done.stderr
    assert "SANDBOX_LOCALSTACK_URL" in done.stderr
    assert not (tmp_path / "state").exists()
