"""The engine is chosen once and then stays, whatever comes or goes."""

from pathlib import Path

import pytest

from sandbox.aws.engines import (
    describe_engine,
    remembered_engine,
    remove_tasks,
    settle_engine,
    stop_tasks,
)
from sandbox.errors import DependencyError
from sandbox.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A sandbox on a machine where no engine answers."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    return Settings(home=tmp_path)


def use_docker(settings: Settings) -> None:
    root = settings.aws_dir / "docker"
    root.mkdir(parents=True)
    (root / "id").write_text("f" * 32)
    settings.engine_file.write_text("docker")


def asking(settings: Settings, engine: str) -> Settings:
    return settings.model_copy(update={"engine": engine})


def test_auto_is_process_where_no_engine_answers(settings: Settings) -> None:
    assert settings.engine == "auto"
    assert settle_engine(settings).engine == "process"
    assert remembered_engine(settings) == "process"


def test_engine_that_was_asked_for_must_answer(settings: Settings) -> None:
    with pytest.raises(DependencyError, match="No container engine answers at ") as refused:
        settle_engine(asking(settings, "docker"))
    assert "SANDBOX_ENGINE=process" in refused.value.hint
    assert remembered_engine(settings) is None


def test_engine_in_use_that_went_away_is_an_error_not_a_change(settings: Settings) -> None:
    settings.engine_file.write_text("docker")
    with pytest.raises(DependencyError):
        settle_engine(settings)
    assert remembered_engine(settings) == "docker"


def test_choice_lasts_until_the_sandbox_is_down(settings: Settings) -> None:
    settle_engine(asking(settings, "fake"))
    assert settle_engine(settings).engine == "fake"
    stop_tasks(settings)
    assert settle_engine(settings).engine == "process"


def test_sandbox_that_never_used_an_engine_asks_none_to_purge(settings: Settings) -> None:
    remove_tasks(settings)


def test_sandbox_goes_down_though_its_engine_went_away(settings: Settings) -> None:
    use_docker(settings)
    assert "tasks may be running there still" in stop_tasks(settings)
    assert settle_engine(settings).engine == "process"


def test_purge_says_how_to_remove_what_an_absent_engine_holds(settings: Settings) -> None:
    use_docker(settings)
    with pytest.raises(DependencyError) as refused:
        remove_tasks(settings)
    assert f"label=sandbox.home={settings.home}" in refused.value.hint


@pytest.mark.parametrize(
    ("remembered", "words", "usable"),
    [
        ("", "process: No container engine answers", True),
        ("process", "process: no container engine is used", True),
        ("docker", "No container engine answers", False),
    ],
)
def test_doctor_hears_what_is_or_would_be_used(
    settings: Settings, remembered: str, words: str, *, usable: bool
) -> None:
    if remembered:
        settings.engine_file.write_text(remembered)
    environment = {"DOCKER_HOST": f"unix://{settings.home}/none.sock"}
    sentence, can_be = describe_engine(settings, environment)
    assert sentence.startswith(words)
    assert can_be is usable
