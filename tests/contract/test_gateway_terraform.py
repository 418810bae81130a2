"""Terraform against the endpoint, told of it by the environment and nothing else."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_server import GatewayServer

from sandbox.aws.trail.authorization import resource_types
from sandbox.errors import DependencyError
from sandbox.settings import Settings
from sandbox.terraform import find_terraform, write_cli_config

STACK = Path(__file__).parent.parent / "testdata" / "gateway_stack"
NO_CHANGES = 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path / "home")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def terraform() -> str:
    try:
        return find_terraform()
    except DependencyError as error:
        pytest.skip(error.message)


def test_stack_applies_plans_empty_survives_kill_and_goes(
    server: GatewayServer, terraform: str, tmp_path: Path
) -> None:
    folder = tmp_path / "stack"
    shutil.copytree(STACK, folder)
    environment = server.environment
    config = write_cli_config(tmp_path, Settings().tf_plugin_dir, tmp_path / "none.tfrc")
    if config is not None:
        environment["TF_CLI_CONFIG_FILE"] = str(config)

    def run(*arguments: str) -> int:
        command = [terraform, *arguments, "-no-color", "-input=false"]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode in {0, 2}, done.stdout + done.stderr + server.log()[-3000:]
        print(done.stdout)
        return done.returncode

    server.client("s3").create_bucket(Bucket="gateway-stack-state")
    run("init")
    run("apply", "-auto-approve")
    assert run("plan", "-detailed-exitcode") == NO_CHANGES
    server.kill()
    server.start()
    assert run("plan", "-detailed-exitcode") == NO_CHANGES
    run("destroy", "-auto-approve")
    buckets = server.client("s3").list_buckets()["Buckets"]
    assert [b["Name"] for b in buckets] == ["gateway-stack-state"]
    assert "replay_diverged" not in server.log()
    assert_terraform_was_recorded(server)


def assert_terraform_was_recorded(server: GatewayServer) -> None:
    """What Terraform called is known as Terraform's, in actions that IAM knows."""
    with urllib.request.urlopen(f"{server.url}/_sandbox/permissions") as answer:
        rows = [row for row in json.load(answer) if row["caller"] == "terraform"]
    actions = {row["grant"]["action"] for row in rows}
    assert {"ec2:CreateVpc", "ec2:DeleteVpc", "iam:CreateRole", "s3:GetObject"} <= actions
    assert {action for action in actions if resource_types(action) is None} == set()
