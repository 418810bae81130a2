"""Terraform and its providers are found, or their lack is explained."""

import json
from pathlib import Path

import pytest

from sandbox.errors import DependencyError, UsageError
from sandbox.terraform import find_provider_mirror, find_terraform, write_cli_config

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


def test_unwritable_state_directory_is_named(tmp_path: Path, no_configuration: Path) -> None:
    (tmp_path / "mirror" / AWS).mkdir(parents=True)
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "state"
    with pytest.raises(DependencyError, match="cannot be written") as refused:
        write_cli_config(home, tmp_path / "mirror", no_configuration)
    assert str(home) in refused.value.message
    assert "SANDBOX_HOME" in refused.value.hint
