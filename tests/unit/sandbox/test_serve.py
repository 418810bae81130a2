"""Which parts run in the foreground, and under which delegate name."""

from pathlib import Path

import pytest

from sandbox.errors import UsageError
from sandbox.serve import chosen_parts, with_own_delegate_name
from sandbox.settings import Settings
from sandbox.supervisor import ProcessSpec, configuration

SPECS = tuple(ProcessSpec(name=name, command=(name,)) for name in ("aws", "envoy", "delegate"))


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ((), ("aws", "envoy", "delegate")),
        (("delegate",), ("delegate",)),
        (("envoy", "aws"), ("aws", "envoy")),
    ],
)
def test_parts_run_in_the_stacks_order(asked: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    assert tuple(spec.name for spec in chosen_parts(SPECS, asked)) == chosen


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'proxi'") as error:
        chosen_parts(SPECS, ("aws", "proxi"))
    assert error.value.hint == "The parts are: aws, envoy, delegate."


def test_a_delegate_without_a_name_makes_one_up_and_keeps_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, delegate_name="auto")
    one, other = tmp_path / "one", tmp_path / "other"
    for container in (one, other):
        container.mkdir()
    first = with_own_delegate_name(settings, one).delegate_name
    assert first.startswith("delegate-")
    assert with_own_delegate_name(settings, one).delegate_name == first
    assert with_own_delegate_name(settings, other).delegate_name != first


def test_a_given_delegate_name_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, delegate_name="d1")
    assert with_own_delegate_name(settings, tmp_path) == settings
    assert not list(tmp_path.iterdir())


def test_foreground_lines_go_to_standard_output() -> None:
    text = configuration(SPECS, foreground=True)
    assert "nodaemon=true" in text
    assert text.count("stdout_logfile=/dev/fd/1") == len(SPECS)
    assert "../log/aws.log" not in text
