"""YAML with lines, read as Harness reads it."""

import pytest

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.yaml_source import dump_yaml, load_yaml

DOCUMENT = """\
pipeline:
  name: Demo
  stages:
    - stage:
        identifier: a
    - stage: {identifier: b}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("pipeline", 1),
        ("pipeline.name", 2),
        ("pipeline.stages[0].stage.identifier", 5),
        ("pipeline.stages[1].stage.identifier", 6),
        ("pipeline.stages[1].stage.spec.execution", 6),
        ("pipeline.nope", 1),
    ],
)
def test_path_has_its_line_or_that_of_its_parent(path: str, line: int) -> None:
    assert load_yaml(DOCUMENT).line(path) == line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-23", "2026-11-23"),
        ("000000000000", "000000000000"),
        ("0123", "0123"),
        ("12:30:45", "12:30:45"),
        ("12", 12),
        ("-3", -3),
        ("0x1f", 31),
        ("1.50", 1.5),
        ("1e3", "1e3"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("<+input>", "<+input>"),
    ],
)
def test_scalar_has_harness_type(text: str, value: object) -> None:
    assert load_yaml(f"v: {text}").data == {"v": value}


def test_keys_are_the_text_that_was_written() -> None:
    assert load_yaml("{1: a, on: b, 8080: c}").data == {"1": "a", "on": "b", "8080": "c"}


def test_anchors_and_merge_keys_work() -> None:
    text = "base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n"
    assert load_yaml(text).data == {"base": {"x": 1, "y": 2}, "use": {"x": 1, "y": 3}}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)
REFUSED = [
    ("a: 1\nb: 2\na: 3\n", "duplicate key 'a' (first on line 1)", 3),
    ("a:\n\t- b\n", "not valid YAML at line 2, column 1", 2),
    ("a: b: c\n", "mapping values are not allowed", 1),
    ("a: 'open\n", "unexpected end of stream", 2),
    ("a: *none\n", "undefined alias", 1),
    ("a: 1\n---\nb: 2\n", "expected a single document", 2),
    ("", "the document is empty", 1),
    ("a: &x [*x]\n", "contains itself", 1),
    ("? [1]\n: b\n", "a key must be plain text", 1),
    (BOMB, "once aliases are expanded", 1),
    ("a: \x07\n", "a character that YAML does not allow", 1),
    ("[" * 500, "nested too deeply", None),
]


@pytest.mark.parametrize(("text", "words", "line"), REFUSED, ids=[row[1] for row in REFUSED])
def test_bad_yaml_is_refused_with_line_and_reason(text: str, words: str, line: int | None) -> None:
    with pytest.raises(YamlInvalidError) as caught:
        load_yaml(text)
    (problem,) = caught.value.problems
    assert words in problem.message
    if words != "once aliases are expanded":
        assert problem.line == line


def test_malformed_yaml_has_a_hint() -> None:
    with pytest.raises(YamlInvalidError) as caught:
        load_yaml("a: b: c\n")
    assert caught.value.problems[0].hint.startswith("Put quotes")


def test_dump_keeps_order_and_reads_back() -> None:
    data = {"z": "a\nb\n", "a": [1, "2", None, True, "000", "2026-01-01", "on"], "m": {}}
    assert load_yaml(dump_yaml(data)).data == data
    assert dump_yaml(data).startswith("z: |")
