"""Secret values do not pass."""

import pytest

from fake_harness.delegate.masking import MASK, Masker, substitute


@pytest.mark.parametrize(
    ("secrets", "text", "masked"),
    [
        (["sesame"], "open sesame now", f"open {MASK} now"),
        (["abc", "abcdef"], "abcdef abc", f"{MASK} {MASK}"),
        (["first\nsecond"], "it is second", f"it is {MASK}"),
        (["first\nsecond"], "first\nsecond", MASK),
        ([" padded "], "is padded here", f"is {MASK} here"),
        (["ab"], "ab is too short to be masked", "ab is too short to be masked"),
        ([""], "nothing", "nothing"),
    ],
)
def test_each_line_of_a_secret_is_masked(secrets: list[str], text: str, masked: str) -> None:
    assert Masker(secrets)(text) == masked


def test_markers_become_values_anywhere_in_a_json_value() -> None:
    secrets = {"${m}": "v"}
    value = {"a": ["x${m}y", 1, None], "b": {"c": "${m}"}}
    assert substitute(value, secrets) == {"a": ["xvy", 1, None], "b": {"c": "v"}}
