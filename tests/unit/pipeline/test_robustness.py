"""Junk anywhere in a document is a problem with a path, never a crash."""

import copy
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.expressions import ExpressionError, MappingScope, render
from fake_harness.pipeline.inputs import input_template, merge_inputs
from fake_harness.pipeline.lint import KnownEntities, lint_pipeline
from fake_harness.pipeline.templates import expand_templates
from fake_harness.pipeline.triggers import match_webhook, parse_trigger
from fake_harness.pipeline.webhooks import WebhookEvent
from fake_harness.pipeline.yaml_source import Document, dump_yaml, load_yaml

CASES = Path(__file__).parents[2] / "testdata" / "pipelines"
NOTHING = KnownEntities(
    services=frozenset(),
    environments=frozenset(),
    infrastructures={},
    connectors=frozenset(),
    secrets=frozenset(),
    pipelines=frozenset(),
)
JUNK: list[object] = [
    None,
    [],
    {},
    {"a": 1},
    {"type": []},
    "x",
    "",
    1,
    -1.5,
    True,
    [1],
    [[]],
    [{}],
    "<+input>",
    "<+a.b>",
    "<+",
]
Path_ = tuple[object, ...]


def _paths(value: object, path: Path_ = ()) -> Iterator[Path_]:
    if path:
        yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from _paths(item, (*path, key))


def _with(document: object, path: Path_, junk: object) -> object:
    changed = copy.deepcopy(document)
    target = changed
    for key in path[:-1]:
        target = target[key]  # type: ignore[index]
    target[path[-1]] = junk  # type: ignore[index]
    return changed


def _mutants(document: object, count: int) -> Iterator[object]:
    chosen = random.Random(7)
    paths = list(_paths(document))
    for _ in range(count):
        yield _with(document, chosen.choice(paths), chosen.choice(JUNK))


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_junk_in_a_pipeline_is_reported(case: Path) -> None:
    base = load_yaml((case / "pipeline.yaml").read_text()).data
    for mutant in _mutants(base, 150):
        document = Document(data=mutant, text="")
        with suppress(YamlInvalidError):
            lint_pipeline(document, known=NOTHING)
            input_template(document)


def test_junk_in_a_pipeline_compiles_or_is_refused() -> None:
    base = load_yaml((CASES / "many_services" / "pipeline.yaml").read_text()).data
    for mutant in _mutants(base, 60):
        text = dump_yaml(mutant)
        with suppress(YamlInvalidError):
            expand_templates(text, lambda _ref: None)
            compile_pipeline(text)


def test_junk_in_inputs_is_refused_or_fits() -> None:
    text = (CASES / "ci" / "pipeline.yaml").read_text()
    for mutant in _mutants(load_yaml(text).data, 40):
        with suppress(YamlInvalidError):
            merge_inputs(text, dump_yaml(mutant))


TRIGGER = """
trigger:
  identifier: t
  pipelineIdentifier: p
  source:
    type: Webhook
    spec:
      type: Github
      spec:
        type: Push
        spec:
          connectorRef: g
          actions: [Open]
          payloadConditions: [{key: targetBranch, operator: Equals, value: main}]
          jexlCondition: <+trigger.payload.ref> =~ ".*main"
"""
EVENT = {
    "ref": "refs/heads/main",
    "after": "a" * 40,
    "repository": {"full_name": "o/r"},
    "commits": [{"added": ["a"]}],
    "sender": {"login": "x"},
}


def test_junk_in_a_trigger_or_its_payload_never_crashes() -> None:
    for mutant in _mutants(load_yaml(TRIGGER).data, 150):
        try:
            trigger = parse_trigger(dump_yaml(mutant))
        except YamlInvalidError:
            continue
        match_webhook(trigger, WebhookEvent(headers={"X-GitHub-Event": "push"}, payload=EVENT))
    trigger = parse_trigger(TRIGGER)
    for payload in _mutants(EVENT, 150):
        assert isinstance(payload, dict)
        for kind in ("push", "pull_request"):
            match_webhook(trigger, WebhookEvent(headers={"X-GitHub-Event": kind}, payload=payload))


PIECES = [
    "<+",
    ">",
    " ",
    "a",
    "b",
    ".",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "1",
    "+",
    "-",
    "/",
    "%",
    "==",
    "&&",
    "?",
    ":",
    "?:",
    "!",
    ",",
    "=~",
    "split",
    "<",
    "\\",
    "*",
    "null",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text_renders_or_is_refused(text: str) -> None:
    scope = MappingScope({"a": {"b": [1, "x"], "a": None}, "b": "<+a.b[1]>"})
    with suppress(ExpressionError):
        render(f"<+{text}>", scope)
    with suppress(ExpressionError):
        render(text, scope, unresolved="null")
