"""`sandbox use` changes what the other commands mean; guarded ones refuse without consent."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sandbox.cli import cli
from sandbox.environments import REDIRECTIONS
from sandbox.errors import UsageError
from sandbox.settings import Settings, adopt_environment, variable
from sandbox.switch.guard import RefusedError

REAL_HARNESS = {
    "HARNESS_ACCOUNT_ID": "real_account_0000000001",
    "HARNESS_PLATFORM_API_KEY": "pat.real.key.value",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in (*REDIRECTIONS, *map(variable, Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    before = dict(os.environ)
    yield tmp_path / "state"
    adopt_environment(before)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_env_means_the_remembered_target() -> None:
    assert "AWS_ENDPOINT_URL=" in run("env").output
    said = json.loads(run("use", "aws", "--profile", "work", "--json").output)
    assert (said["target"], said["was"]) == ("aws", "local")
    assert run("env").output == "export AWS_PROFILE=work\n"
    assert "AWS_ENDPOINT_URL=" in run("env", "local").output
    run("use", "local")
    assert "AWS_ENDPOINT_URL=" in run("env").output


def test_use_says_what_the_shell_would_have_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    said = run("use", "aws").output
    assert "it was local" in said
    assert "AWS_ENDPOINT_URL" in said
    assert "(unset)" in said
    assert run("use").output.startswith("Target: aws:")


@pytest.mark.parametrize(
    "arguments", [("use", "local", "--profile", "p"), ("use", "--region", "eu-west-1")]
)
def test_profile_and_region_belong_to_aws(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, UsageError)


def test_change_is_refused_where_nobody_is_known() -> None:
    run("use", "aws")
    done = run("exec", "--", "terraform", "apply")
    assert isinstance(done.exception, UsageError)
    assert "Who would call AWS is not known" in done.exception.message


def test_reader_runs_with_nothing_pointing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    done = run("exec", "--target", "aws", "--json", "--", "printenv")
    said = json.loads(done.output)
    assert "AWS_ENDPOINT_URL" not in said["stdout"]
    assert said["exit_code"] == 0


@pytest.mark.parametrize(
    "command",
    [
        ("sync", "--folder", "harness"),
        ("pipeline", "run", "p"),
        ("pipeline", "approve", "x"),
        ("pipeline", "abort", "x"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "flags",
    [(), ("--yes",), ("--account", REAL_HARNESS["HARNESS_ACCOUNT_ID"]), ("--yes", "--account=x")],
    ids=["nothing", "yes alone", "account alone", "other account"],
)
def test_real_harness_is_not_changed_without_consent(
    command: tuple[str, ...], flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in REAL_HARNESS.items():
        monkeypatch.setenv(name, value)
    run("use", "aws")
    done = run(*command, *flags)
    assert isinstance(done.exception, RefusedError)
    assert "https://app.harness.io/gateway" in done.exception.message
    assert REAL_HARNESS["HARNESS_ACCOUNT_ID"] in done.exception.message


def test_a_harness_that_only_the_environment_names_is_guarded_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in REAL_HARNESS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HARNESS_ENDPOINT", "https://harness.example.com/gateway")
    assert isinstance(run("pipeline", "run", "p").exception, RefusedError)


def test_aws_without_harness_account_says_what_to_set() -> None:
    run("use", "aws")
    done = run("pipeline", "list")
    assert isinstance(done.exception, UsageError)
    assert "HARNESS_ACCOUNT_ID and HARNESS_PLATFORM_API_KEY" in done.exception.message
