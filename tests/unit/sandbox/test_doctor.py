"""`sandbox doctor`: every lack is named with its mend."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.doctor import Finding, examine, program
from sandbox.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "state")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def tool(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def found(settings: Settings, check: str, **env: str) -> Finding:
    findings = examine(settings, {"PATH": "/usr/bin:/bin", **env}, running=False)
    return next(finding for finding in findings if finding.check == check)


def test_missing_programs_are_named_with_their_mend(settings: Settings, tmp_path: Path) -> None:
    findings = examine(settings, {"PATH": str(tmp_path)}, running=False)
    missing = {f.check: f.mend for f in findings if f.state == "missing"}
    assert {"git", "node", "npm", "curl", "Terraform"} <= set(missing)
    assert all(missing.values())


def test_localstack_is_looked_for_only_where_it_is_used(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    finding = found(Settings(home=tmp_path, aws="localstack", localstack_url=url), "LocalStack")
    assert (finding.state, url in finding.detail) == ("missing", True)
    assert "SANDBOX_LOCALSTACK_URL" in finding.mend
    findings = examine(Settings(home=tmp_path), {"PATH": "/usr/bin"}, running=False)
    assert "LocalStack" not in {f.check for f in findings}


@pytest.mark.parametrize(
    ("says", "state"), [("v16.20.0", "missing"), ("v18.0.0", "ok"), ("v22.1.0", "ok")]
)
def test_node_must_be_new_enough(tmp_path: Path, says: str, state: str) -> None:
    tool(tmp_path, "node", says)
    finding = program("node", "Install it.", {"PATH": f"{tmp_path}:/bin"}, at_least=(18,))
    assert finding.state == state


@pytest.mark.parametrize(
    ("name", "says", "state"),
    [
        ("terraform", "Terraform v1.9.8", "missing"),
        ("terraform", "Terraform v1.11.4", "ok"),
        ("tofu", "OpenTofu v1.8.0", "ok"),
    ],
)
def test_terraform_must_be_new_enough(
    settings: Settings, tmp_path: Path, name: str, says: str, state: str
) -> None:
    tool(tmp_path, name, says)
    assert found(settings, "Terraform", PATH=f"{tmp_path}:/bin").state == state


def test_taken_port_names_the_setting(tmp_path: Path, taken: int) -> None:
    settings = Settings(home=tmp_path, git_port=taken)
    finding = found(settings, f"port {taken}")
    assert finding.state == "missing"
    assert "SANDBOX_GIT_PORT" in finding.mend
    running = examine(settings, {"PATH": "/bin"}, running=True)
    assert next(f for f in running if f.check == f"port {taken}").state == "ok"


def test_unwritable_state_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = found(Settings(home=tmp_path / "file" / "state"), "state directory")
    assert finding.state == "missing"
    assert "SANDBOX_HOME" in finding.mend


def test_looking_leaves_nothing_behind(settings: Settings) -> None:
    assert found(settings, "state directory").state == "ok"
    assert not settings.home.exists()


def test_misspelt_setting_is_a_warning(settings: Settings) -> None:
    finding = found(settings, "settings", SANDBOX_TIMESCALE="10")
    assert (finding.state, "SANDBOX_TIMESCALE" in finding.detail) == ("warning", True)


def test_mirror_without_the_provider_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, tf_plugin_dir=tmp_path)
    finding = found(settings, "AWS provider")
    assert finding.state == "missing"
    assert "SANDBOX_TF_PLUGIN_DIR" in finding.detail
