"""What `sandbox use` was told is there for the commands that follow, and gone after a purge."""

from pathlib import Path

import pytest

from sandbox.environments import Target
from sandbox.errors import DependencyError
from sandbox.lifecycle import Sandbox
from sandbox.settings import Settings
from sandbox.switch.memory import Choice, lets_localstack_in, meant, remember, remembered, switch_to

WORK = Choice(target=Target.AWS, profile="work", region="eu-west-1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "state")


def test_local_is_meant_until_something_else_is_chosen(settings: Settings) -> None:
    assert remembered(settings) == Choice(target=Target.LOCAL)


def test_choice_is_kept_with_profile_and_region(settings: Settings) -> None:
    remember(settings, WORK)
    assert remembered(settings) == WORK


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"target": "mars", "profile": "", "region": ""}']
)
def test_what_cannot_be_read_means_local(settings: Settings, text: str) -> None:
    remember(settings, WORK)
    (settings.home / "target.json").write_text(text)
    assert remembered(settings).target is Target.LOCAL


def test_a_named_target_keeps_the_remembered_profile_only_where_it_is_the_same(
    settings: Settings,
) -> None:
    remember(settings, WORK)
    assert meant(settings, None) == meant(settings, "aws") == WORK
    assert meant(settings, "local") == Choice(target=Target.LOCAL)


def test_aws_reads_no_provider_mirror_of_ours(settings: Settings) -> None:
    assert "TF_CLI_CONFIG_FILE" not in switch_to(WORK, settings, {}).set


def test_up_lets_localstack_in_only_where_nothing_else_was_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SANDBOX_AWS", raising=False)
    assert not lets_localstack_in(settings)
    remember(settings, Choice(target=Target.LOCALSTACK))
    assert lets_localstack_in(settings)
    assert not lets_localstack_in(settings.model_copy(update={"aws": "localstack"}))
    monkeypatch.setenv("SANDBOX_AWS", "local")
    assert not lets_localstack_in(settings)


def test_purge_forgets_the_choice(settings: Settings) -> None:
    remember(settings, WORK)
    Sandbox(settings).down(purge=True)
    assert not settings.home.exists()
    assert remembered(settings).target is Target.LOCAL


def test_unwritable_state_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DependencyError, match="cannot be written"):
        remember(Settings(home=tmp_path / "file" / "state"), WORK)
