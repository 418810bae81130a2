"""The profiles of compose.yaml: the Harness store on PostgreSQL, S3 from a LocalStack.

Both run at once, each in an image made here, as their own may be out of reach.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import harness_folder
import pytest
from botocore.exceptions import ClientError
from compose_command import Compose, reason_to_skip, running_compose
from ecs_client import boto_client
from harness_folder import SCOPE, custom_stage, put, shell_script, write_folder
from sandbox_command import PROJECT

IMAGES = PROJECT / "tests" / "testdata" / "compose_images"
POSTGRES, LOCALSTACK = "sandbox-test/postgres:1", "sandbox-test/localstack:1"
PROFILES = ("--profile", "postgres", "--profile", "localstack")


def build(tag: str, folder: Path, context: Path) -> None:
    """The images stay with the engine: a second build takes its layers."""
    command = ["docker", "build", "--tag", tag, "--file", str(folder / "Dockerfile"), str(context)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if reason := reason_to_skip():
        pytest.skip(reason)
    build(POSTGRES, IMAGES / "postgres", IMAGES / "postgres")
    build(LOCALSTACK, IMAGES / "localstack", PROJECT / "tools" / "localstack")
    variables = {
        "POSTGRES_IMAGE": POSTGRES,
        "LOCALSTACK_IMAGE": LOCALSTACK,
        "FAKE_HARNESS_DATABASE_URL": "postgresql+psycopg://sandbox:sandbox@postgres/harness",
    }
    home = tmp_path_factory.mktemp("profiles") / "home"
    with running_compose(home, *PROFILES, variables=variables, aws="localstack") as running:
        yield running


def in_localstack(compose: Compose, script: str) -> str:
    """What Python says inside LocalStack, with a client of it named `s3`, past the gateway."""
    head = (
        "import boto3; s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:4566', "
        "region_name='us-east-1', aws_access_key_id='000000000000', "
        "aws_secret_access_key='test'); "
    )
    return compose("exec", "-T", "localstack", ".venv/bin/python", "-c", head + script)


def test_both_are_healthy_before_the_sandbox_starts(compose: Compose) -> None:
    states = compose.states()
    for name in ("postgres", "localstack", "aws", "harness", "engine"):
        assert states[f"{compose.project}-{name}-1"] == ("running", "healthy"), name


def test_s3_is_localstacks_and_ecs_is_ours(compose: Compose) -> None:
    boto_client(compose.sandbox, "s3").create_bucket(Bucket="from-outside")
    buckets = "print([b['Name'] for b in s3.list_buckets()['Buckets']])"
    assert "'from-outside'" in in_localstack(compose, buckets)
    ecs = boto_client(compose.sandbox, "ecs")
    assert ecs.create_cluster(clusterName="ours")["cluster"]["status"] == "ACTIVE"
    with pytest.raises(ClientError, match="Cluster not found"):
        ecs.list_services(cluster="theirs")


def test_an_execution_on_postgresql_survives_the_containers(
    compose: Compose, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "harness", "pipeline")
    step = shell_script("aws s3api list-buckets --output text")
    put(folder, "pipeline/ask.yaml", harness_folder.pipeline("ask", custom_stage(step)))
    compose.sandbox("sync", "--folder", str(folder))
    compose.sandbox("pipeline", "run", "ask", *SCOPE)
    (before,) = compose.sandbox.json("pipeline", "list", *SCOPE)
    compose("exec", "-T", "harness", "test", "!", "-e", "/state/harness/harness.db")
    compose("down")
    compose("up", "--wait", "--wait-timeout", "300")
    (after,) = compose.sandbox.json("pipeline", "list", *SCOPE)
    assert (after["planExecutionId"], after["status"]) == (before["planExecutionId"], "Success")
    compose.sandbox("pipeline", "run", "ask", *SCOPE)
    assert len(compose.sandbox.json("pipeline", "list", *SCOPE)) == 2
