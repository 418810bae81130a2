"""Durations and timeouts."""

import pytest

from fake_harness.pipeline.durations import is_timeout, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("5s", 5),
        ("10m", 600),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("500ms", 0.5),
        (" 1m ", 60),
    ],
)
def test_duration_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "10 minutes", "m", "1h and 2m", "-5s", "<+input>"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("10m", True),
        ("10s", True),
        ("1h 30m", True),
        ("1d2h", True),
        ("", True),
        ("5s", False),
        ("10 minutes", False),
        ("0m", False),
    ],
)
def test_timeout_follows_the_schema(text: str, *, fine: bool) -> None:
    assert is_timeout(text) is fine
