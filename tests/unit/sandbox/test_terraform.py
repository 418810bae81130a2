"""Terraform and its providers are found, or their lack is explained."""

import json
import shutil
from pathlib import Path

import pytest

from sandbox.errors import DependencyError, UsageError
from sandbox.terraform import (
    Terraform,
    find_provider_mirror,
    find_terraform,
    write_cli_config,
)

AWS = Path("registry.terraform.io/hashicorp/aws")


@pytest.fixture
def no_configuration(tmp_path: Path) -> Path:
    return tmp_path / ".terraformrc"


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_terraform_is_preferred_to_tofu(tmp_path: Path) -> None:
    tofu = program(tmp_path / "bin", "tofu")
    assert find_terraform(str(tmp_path / "bin")) == str(tofu)
    terraform = program(tmp_path / "bin", "terraform")
    assert find_terraform(str(tmp_path / "bin")) == str(terraform)


def test_missing_terraform_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="Neither terraform nor tofu") as missing:
        find_terraform(str(tmp_path))
    assert "Install" in missing.value.hint
    assert missing.value.exit_code == 3


def test_mirror_is_found_one_level_below_a_prefix(tmp_path: Path) -> None:
    (tmp_path / "opt" / "other").mkdir(parents=True)
    (tmp_path / "opt" / "plugins" / AWS).mkdir(parents=True)
    (tmp_path / "deep" / "er" / "plugins" / AWS).mkdir(parents=True)
    prefixes = (str(tmp_path / "absent"), str(tmp_path / "deep"), str(tmp_path / "opt"))
    assert find_provider_mirror(None, prefixes) == tmp_path / "opt" / "plugins"
    assert find_provider_mirror(None, prefixes[:2]) is None


def test_configured_mirror_wins_and_must_hold_the_provider(tmp_path: Path) -> None:
    (tmp_path / "opt" / "plugins" / AWS).mkdir(parents=True)
    (tmp_path / "mine" / AWS).mkdir(parents=True)
    mine = tmp_path / "mine"
    assert find_provider_mirror(mine, (str(tmp_path / "opt"),)) == mine
    with pytest.raises(UsageError, match="SANDBOX_TF_PLUGIN_DIR") as refused:
        find_provider_mirror(tmp_path / "opt")
    assert "terraform providers mirror" in refused.value.hint


def test_mirrored_providers_are_never_asked_for_on_the_network(
    tmp_path: Path, no_configuration: Path
) -> None:
    mirror = tmp_path / "mir ror"
    for name in ("hashicorp/aws", "hashicorp/random"):
        (mirror / "registry.terraform.io" / name).mkdir(parents=True)
    config = write_cli_config(tmp_path / "state", mirror, no_configuration)
    assert config == tmp_path / "state" / "terraform.tfrc"
    text = config.read_text()
    assert f"path = {json.dumps(str(mirror))}" in text
    held = ["registry.terraform.io/hashicorp/aws", "registry.terraform.io/hashicorp/random"]
    assert f"exclude = {json.dumps(held)}" in text


@pytest.mark.parametrize(
    "package",
    [
        "5.100.0/linux_amd64/terraform-provider-aws_v5",
        "terraform-provider-aws_5.100.0_linux_amd64.zip",
    ],
    ids=["unpacked", "packed"],
)
def test_tofu_finds_the_same_providers_under_its_own_registry(
    tmp_path: Path, no_configuration: Path, package: str
) -> None:
    held = tmp_path / "mirror" / AWS / package
    held.parent.mkdir(parents=True)
    held.write_text("the provider")
    for _ in range(2):  # repeating it is harmless
        config = write_cli_config(tmp_path / "state", tmp_path / "mirror", no_configuration)
    assert config is not None
    shown = tmp_path / "state" / "tofu-providers"
    found = shown / "registry.opentofu.org" / "hashicorp" / "aws" / package
    assert found.read_text() == "the provider"
    text = config.read_text()
    assert f"path = {json.dumps(str(shown))}" in text
    names = ["registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws"]
    assert f"exclude = {json.dumps(names)}" in text


def test_mirror_with_tofus_own_registry_needs_no_other(
    tmp_path: Path, no_configuration: Path
) -> None:
    for registry in ("registry.terraform.io", "registry.opentofu.org"):
        (tmp_path / "mirror" / registry / "hashicorp/aws/5.0.0/linux_amd64").mkdir(parents=True)
    config = write_cli_config(tmp_path / "state", tmp_path / "mirror", no_configuration)
    assert config is not None
    assert config.read_text().count("filesystem_mirror") == 1


def test_tofu_alone_runs_every_command(tmp_path: Path) -> None:
    tofu = program(tmp_path / "bin", "tofu")
    tofu.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\necho "{{}}"\n')
    env = {"PATH": str(tmp_path / "bin")}
    runner = Terraform(tmp_path, env=env, data_dir=tmp_path / "data", line=lambda _: None)
    runner.init("-backend=false")
    runner.apply()
    assert runner.plan_is_empty()
    assert runner.outputs() == {}
    runner.destroy()
    said = (tmp_path / "said").read_text().splitlines()
    assert [row.split()[0] for row in said] == ["init", "apply", "plan", "output", "destroy"]


@pytest.mark.skipif(shutil.which("tofu") is None, reason="OpenTofu (tofu) is not on PATH")
def test_real_tofu_installs_the_provider_from_the_mirror(
    tmp_path: Path, no_configuration: Path
) -> None:
    mirror = find_provider_mirror(None)
    if mirror is None:
        pytest.skip("there is no provider mirror on this machine")
    config = write_cli_config(tmp_path / "state", mirror, no_configuration)
    source = 'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}'
    (tmp_path / "main.tf").write_text(source)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tofu").symlink_to(shutil.which("tofu") or "")
    env = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    env["TF_CLI_CONFIG_FILE"] = str(config)
    runner = Terraform(tmp_path, env=env, data_dir=tmp_path / "data", line=lambda _: None)
    runner.init("-backend=false")
    assert "registry.opentofu.org/hashicorp/aws" in (tmp_path / ".terraform.lock.hcl").read_text()


def test_unwritable_state_directory_is_named(tmp_path: Path, no_configuration: Path) -> None:
    (tmp_path / "mirror" / AWS).mkdir(parents=True)
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "state"
    with pytest.raises(DependencyError, match="cannot be written") as refused:
        write_cli_config(home, tmp_path / "mirror", no_configuration)
    assert str(home) in refused.value.message
    assert "SANDBOX_HOME" in refused.value.hint
