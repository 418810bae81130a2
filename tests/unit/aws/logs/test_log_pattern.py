"""Filter patterns of CloudWatch Logs."""

import pytest

from sandbox.aws.logs.pattern import compile_pattern
from sandbox.errors import AwsError

EVENT = '{"level": "warn", "n": 5, "ok": true, "no": null, "tags": ["a", {"b": "c d"}], "ip": "10.0.0.7"}'


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("a b", "b then a", True),
        ("a b", "only a", False),
        ("Error", "error", False),
        ('"a b"', "x a b y", True),
        ('"a b"', "a x b", False),
        ("?a ?b", "b", True),
        ("?a ?b", "c", False),
        ("a -b", "a", True),
        ("a -b", "a b", False),
        ("-b", "a", True),
        ("?a c", "c", True),
        (r"%5\d\d%", "status 503", True),
        (r"%5\d\d%", "status 403", False),
        ('{ $.level = "warn" }', EVENT, True),
        ("{ $.level = w* }", EVENT, True),
        ('{ $.level != "warn" }', EVENT, False),
        ('{ $.missing != "warn" }', EVENT, False),
        ("{ $.n > 4 }", EVENT, True),
        ("{ $.n >= 5 && $.n < 5 }", EVENT, False),
        ("{ $.n = 5 }", EVENT, True),
        ('{ $.n = "5" }', EVENT, False),
        ("{ $.ok IS TRUE }", EVENT, True),
        ("{ $.no IS NULL }", EVENT, True),
        ("{ $.missing IS NULL }", EVENT, False),
        ("{ $.missing NOT EXISTS }", EVENT, True),
        ('{ $.tags[0] = "a" }', EVENT, True),
        ('{ $.tags[1].b = "c d" }', EVENT, True),
        ('{ ($.n = 1 || $.n = 5) && $.level = "warn" }', EVENT, True),
        ('{ $.n = 1 || $.n = 5 && $.level = "x" }', EVENT, False),
        ("{ $.ip = 10.0.* }", EVENT, True),
        ("{ $.ip = %^10% }", EVENT, True),
        ('{ $.level = "warn" }', "not json", False),
        ('{ $.level = "warn" }', '["warn"]', False),
    ],
)
def test_pattern_matches(pattern: str, message: str, matches: bool) -> None:
    assert compile_pattern(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a",
        "{ $.a }",
        "{ a = 1 }",
        "{ $.a > x }",
        "{ ($.a = 1 }",
        "{ $.a = 1 $.b }",
        "{ $.a IS ODD }",
        "%(%",
    ],
)
def test_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(AwsError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "InvalidParameterException"
