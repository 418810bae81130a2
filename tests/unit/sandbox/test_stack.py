"""What each process gets of the settings and of the person's shell."""

from pathlib import Path

import pytest

from sandbox.environments import DELEGATE_KEY_ID
from sandbox.settings import Settings
from sandbox.stack import (
    delegate_variables,
    local_switch,
    process_specs,
    sandbox_variables,
    tool_path,
)

REAL = {
    "AWS_PROFILE": "work",
    "AWS_SESSION_TOKEN": "token",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
    "PATH": "/usr/bin",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "state", aws_port=14566, time_scale=7, delegate_name="d1")


def test_every_process_has_the_same_settings(settings: Settings) -> None:
    own = sandbox_variables(settings)
    assert own["SANDBOX_AWS_PORT"] == "14566"
    assert own["SANDBOX_HOME"] == str(settings.home)
    assert "SANDBOX_TF_PLUGIN_DIR" not in own, "what is not set must stay so"
    for spec in process_specs(settings, REAL):
        if spec.name == "aws":
            assert own.items() <= spec.env.items()
        if spec.name in {"proxy", "git"}:
            told = dict(zip(spec.command, spec.command[1:], strict=False))
            assert (told["--bind"], told["--port"]) == (settings.bind, str(spec.port))
        if spec.name in {"harness", "engine", "delegate"}:
            assert spec.env["FAKE_HARNESS_TIME_SCALE"] == "7.0"


@pytest.mark.parametrize("name", ["aws", "harness", "engine", "delegate", "git"])
def test_no_process_sees_real_accounts(settings: Settings, name: str) -> None:
    spec = next(spec for spec in process_specs(settings, REAL) if spec.name == name)
    hidden = set(spec.unset) | set(spec.env)
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTPS_PROXY"} <= hidden


@pytest.mark.parametrize("name", ["aws", "harness", "engine", "git"])
def test_bytecode_is_kept_between_starts(settings: Settings, name: str) -> None:
    spec = next(spec for spec in process_specs(settings, REAL) if spec.name == name)
    assert "PYTHONDONTWRITEBYTECODE" in spec.unset


def test_proxy_keeps_the_hosts_own_proxy(settings: Settings) -> None:
    spec = next(spec for spec in process_specs(settings, REAL) if spec.name == "proxy")
    assert not {"HTTPS_PROXY"} & (set(spec.unset) | set(spec.env))


def test_steps_find_the_hosts_tools_before_the_sandboxs_own() -> None:
    path = tool_path({"PATH": "/usr/local/bin:/usr/bin"}).split(":")
    assert path[:2] == ["/usr/local/bin", "/usr/bin"]
    scanners, checkov = (n for n, e in enumerate(path) if "tools" in e.split("/"))
    assert "checkov" in path[checkov]
    assert scanners < checkov, "checkov brings a fork of detect-secrets under the same names"
    assert len(path) == len(set(path)) == 5


@pytest.mark.parametrize("named", [True, False], ids=["TF_CLI_CONFIG_FILE", "home"])
def test_own_terraform_configuration_stays_in_force(tmp_path: Path, named: bool) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)
    settings = Settings(home=tmp_path / "state", tf_plugin_dir=mirror)
    own = tmp_path / ".terraformrc"
    host = {"TF_CLI_CONFIG_FILE": str(own)} if named else {"HOME": str(tmp_path)}

    own.write_text('plugin_cache_dir = "/cache"\n')
    config = local_switch(settings, host).set["TF_CLI_CONFIG_FILE"]
    text = Path(config).read_text()
    assert 'plugin_cache_dir = "/cache"' in text
    assert str(mirror) in text

    own.write_text("provider_installation {\n}\n")
    assert "TF_CLI_CONFIG_FILE" not in local_switch(settings, host).set


@pytest.mark.parametrize(
    ("engine", "builder", "containers"),
    [("process", "sandbox.aws.builder", "none"), ("docker", "sandbox.images.builder", "docker")],
)
def test_the_delegate_builds_and_runs_with_the_engine_that_runs_tasks(
    engine: str, builder: str, containers: str
) -> None:
    settings = Settings(home=Path("/s")).model_copy(update={"engine": engine})
    variables = delegate_variables(settings)
    assert variables["FAKE_HARNESS_IMAGE_BUILDER"].endswith(f"-m {builder}")
    assert variables["FAKE_HARNESS_CONTAINERS"] == containers


def test_envoy_is_the_one_that_the_setting_names(tmp_path: Path) -> None:
    own = tmp_path / "envoy"
    own.touch(mode=0o755)
    specs = process_specs(Settings(home=tmp_path / "state", envoy=own), REAL)
    assert next(spec for spec in specs if spec.name == "envoy").command[0] == str(own)


def test_delegate_has_a_key_of_its_own(settings: Settings) -> None:
    spec = next(spec for spec in process_specs(settings, REAL) if spec.name == "delegate")
    assert spec.env["AWS_ACCESS_KEY_ID"] == DELEGATE_KEY_ID
    assert local_switch(settings, REAL).set["AWS_ACCESS_KEY_ID"] != DELEGATE_KEY_ID


def test_licensed_localstack_alone_needs_no_aws_of_ours(tmp_path: Path) -> None:
    alone = Settings(home=tmp_path, aws="localstack-only", localstack_url="http://127.0.0.1:4999/")
    names = {spec.name for spec in process_specs(alone, REAL)}
    assert names == {"harness", "engine", "delegate", "git"}
    delegate = next(spec for spec in process_specs(alone, REAL) if spec.name == "delegate")
    assert delegate.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4999"


@pytest.mark.parametrize("aws", ["local", "localstack"])
def test_gateway_is_the_endpoint_with_a_localstack_behind_it_too(tmp_path: Path, aws: str) -> None:
    settings = Settings.model_validate({"home": tmp_path, "aws": aws, "aws_port": 14566})
    specs = {spec.name: spec for spec in process_specs(settings, REAL)}
    assert {"aws", "envoy", "proxy"} <= set(specs)
    assert specs["delegate"].env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:14566"
    assert specs["aws"].env["SANDBOX_AWS"] == aws
