"""Settings: bad values are named, all at once; the docs list every setting."""

import json
from pathlib import Path

import pytest

from sandbox.errors import UsageError
from sandbox.settings import (
    Settings,
    load_settings,
    named_fields,
    started_settings,
    unknown_variables,
    variable,
)
from sandbox.settings_doc import settings_page

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def only_these_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path))


def test_settings_page_is_made_from_the_settings() -> None:
    text = (PROJECT / "docs" / "settings.md").read_text()
    assert text == settings_page(), "run: sandbox config --markdown > docs/settings.md"


def test_every_setting_says_what_it_means() -> None:
    page = settings_page()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`{variable(name)}`" in page


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_AWS_PORT", "http")
    monkeypatch.setenv("SANDBOX_TIME_SCALE", "0")
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert "SANDBOX_AWS_PORT" in refused.value.message
    assert "SANDBOX_TIME_SCALE" in refused.value.message
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SANDBOX_GIT_PORT", "70000"),
        ("SANDBOX_ACCOUNT_ID", "12"),
        ("SANDBOX_ENGINE", "podman"),
        ("SANDBOX_AWS", "real"),
        ("SANDBOX_LOCALSTACK_URL", "127.0.0.1:4568"),
        ("SANDBOX_LOCALSTACK_URL", "http://127.0.0.1:4568/path"),
        ("SANDBOX_LOCALSTACK_URL", "http://127.0.0.1:port"),
        ("SANDBOX_ALB_NETWORK", "10.0.0.0/16"),
        ("SANDBOX_TASK_NETWORK", "127.1.0.0/40"),
    ],
)
def test_bad_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name):
        load_settings()


def test_settings_of_the_start_count_until_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "started.json").write_text(json.dumps({"aws_port": 5001, "git_port": 5002}))
    monkeypatch.setenv("SANDBOX_GIT_PORT", "6002")
    settings = load_settings()
    assert (settings.aws_port, settings.git_port) == (5001, 6002)
    assert settings.home == tmp_path
    assert settings.proxy_port == Settings.model_fields["proxy_port"].default


@pytest.mark.parametrize("content", ["", "{", '{"unheard_of": 1}'], ids=["empty", "torn", "other"])
def test_unusable_memory_of_the_start_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "started.json").write_text(content)
    assert started_settings(load_settings()) == {}


def test_home_is_absolute_whatever_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_HOME", "here/and/there")
    assert load_settings().home == Path.cwd() / "here/and/there"


def test_misspelt_variables_are_found() -> None:
    environment = {"SANDBOX_TIMESCALE": "10", "SANDBOX_HOME": "/x", "PATH": "/bin"}
    assert unknown_variables(environment) == ("SANDBOX_TIMESCALE",)
    assert named_fields(environment) == {"home"}
    assert named_fields({}) == frozenset()
