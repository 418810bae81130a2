"""`tflocal` and `awslocal` as they are, against a running sandbox."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from ecs_client import boto_client
from sandbox_command import PROGRAM, PROJECT, Command, running_sandbox

STACK = PROJECT / "tests" / "testdata" / "localstack_stack"
BUCKET = "localstack-stack-artifacts"
BACKEND = """
terraform {
  backend "s3" {
    bucket = "tflocal-state"
    key    = "stack.tfstate"
    region = "us-east-1"
  }
}
"""
NO_CHANGES = 0

TERRAFORM = shutil.which("terraform") or shutil.which("tofu") or ""

pytestmark = pytest.mark.skipif(not TERRAFORM, reason="neither terraform nor tofu is on PATH")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "state", engine="fake") as command:
        yield command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The stack with its state in S3, as on AWS."""
    shutil.copytree(STACK, tmp_path / "stack")
    (tmp_path / "stack" / "backend.tf").write_text(BACKEND)
    return tmp_path / "stack"


def tflocal(command: Command, *arguments: str, code: int = 0, **env: str) -> str:
    """Run `tflocal` by `sandbox exec` in the command's folder."""
    done = command(
        *("exec", "--", "tflocal", *arguments, "-no-color"), check=False, timeout=600, env=env
    )
    assert done.returncode == code, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_stack_applies_plans_empty_and_goes(sandbox: Command, folder: Path) -> None:
    here = replace(sandbox, cwd=folder)
    program = {"TF_CMD": TERRAFORM}
    tflocal(here, "init", "-input=false", **program)
    tflocal(here, "apply", "-input=false", "-auto-approve", **program)
    tflocal(here, "plan", "-input=false", "-detailed-exitcode", code=NO_CHANGES, **program)
    s3 = boto_client(sandbox, "s3")
    note = s3.get_object(Bucket=BUCKET, Key="notes/one two+three.txt")
    assert note["Body"].read() == b"kept in LocalStack"
    state = s3.get_object(Bucket="tflocal-state", Key="stack.tfstate")
    assert b"localstack-stack-task" in state["Body"].read()
    tflocal(here, "destroy", "-input=false", "-auto-approve", **program)
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["tflocal-state"]
    assert list(folder.glob("localstack_providers_override*")) == []


def own_variables(sandbox: Command, *, without: str) -> dict[str, str]:
    """Return the variables of `sandbox env` but for the endpoint and what `without` names."""
    found: Mapping[str, str] = sandbox.json("env")["set"]
    dropped = ("AWS_ENDPOINT_URL", without)
    kept = {name: value for name, value in found.items() if not name.startswith(dropped)}
    return {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(sandbox.home), **kept}


def port_of(sandbox: Command) -> str:
    url: str = sandbox.json("env")["set"]["AWS_ENDPOINT_URL"]
    return url.rpartition(":")[2]


def test_host_and_port_variables_lead_here_too(sandbox: Command, folder: Path) -> None:
    """Without `sandbox exec`: no proxy, no endpoint, S3 in the path."""
    (folder / "backend.tf").unlink()
    calls = folder.parent / "calls"
    program = folder.parent / "program"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {TERRAFORM} "$@"\n')
    program.chmod(0o755)
    named = {
        "LOCALSTACK_HOSTNAME": "127.0.0.1",
        "EDGE_PORT": port_of(sandbox),
        "S3_HOSTNAME": "127.0.0.1",
        "TF_CMD": str(program),
    }
    config = {
        name: value
        for name, value in own_variables(sandbox, without="AWS_").items()
        if name in {"PATH", "HOME", "TF_CLI_CONFIG_FILE"}
    }
    target = ("-target=aws_s3_object.note", "-target=aws_secretsmanager_secret_version.database")
    for arguments in (("init",), ("apply", "-auto-approve", *target)):
        done = subprocess.run(
            ["tflocal", *arguments, "-input=false", "-no-color"],
            cwd=folder,
            env={**config, **named},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "apply" in calls.read_text()
    note = boto_client(sandbox, "s3").get_object(Bucket=BUCKET, Key="notes/one two+three.txt")
    assert note["Body"].read() == b"kept in LocalStack"


def awslocal(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["awslocal", *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_awslocal_is_led_by_the_environment_of_the_sandbox(
    sandbox: Command, tmp_path: Path
) -> None:
    source = tmp_path / "note.txt"
    source.write_text("by awslocal")
    sandbox("exec", "--", "awslocal", "s3", "mb", "s3://by-awslocal")
    sandbox("exec", "--", "awslocal", "s3", "cp", str(source), "s3://by-awslocal/a/note.txt")
    body = boto_client(sandbox, "s3").get_object(Bucket="by-awslocal", Key="a/note.txt")["Body"]
    assert body.read() == b"by awslocal"
    clusters = sandbox("exec", "--", "awslocal", "ecs", "list-clusters").stdout
    assert json.loads(clusters) == {"clusterArns": []}


def test_awslocal_is_led_by_localstack_host_alone(sandbox: Command) -> None:
    environment = {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "HOME": str(sandbox.home),
        "LOCALSTACK_HOST": f"127.0.0.1:{port_of(sandbox)}",
    }
    awslocal(environment, "s3api", "create-bucket", "--bucket", "by-host")
    assert "by-host" in awslocal(environment, "s3", "ls")
    caller = json.loads(awslocal(environment, "sts", "get-caller-identity"))
    assert caller["Account"] == "000000000000"


def test_bucket_in_localstacks_host_name_is_found_by_the_proxy(sandbox: Command) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://s3.localhost.localstack.cloud:{port_of(sandbox)}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            proxies={"http": sandbox.json("env")["set"]["HTTP_PROXY"]},
            s3={"addressing_style": "virtual"},
        ),
    )
    s3.create_bucket(Bucket="by-host-name")
    s3.put_object(Bucket="by-host-name", Key="a b", Body=b"found")
    found = boto_client(sandbox, "s3").get_object(Bucket="by-host-name", Key="a b")
    assert found["Body"].read() == b"found"


def test_health_is_answered_in_localstacks_shape(sandbox: Command) -> None:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port_of(sandbox)}/_localstack/health"
    ) as answer:
        page = json.load(answer)
    states = {name: page["services"][name] for name in ("ecs", "ecr", "elbv2", "s3", "lambda")}
    assert states == {
        "ecs": "running",
        "ecr": "running",
        "elbv2": "running",
        "s3": "available",
        "lambda": "available",
    }
    assert page["version"]
