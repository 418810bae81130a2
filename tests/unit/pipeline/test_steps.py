"""The page of supported steps is made from the registry."""

import json
from functools import cache
from pathlib import Path

import pytest

from fake_harness.pipeline.harness_types import UNSUPPORTED_STEPS
from fake_harness.pipeline.steps import STEP_TYPES, steps_page

ROOT = Path(__file__).parents[3]
OFFICIAL = ROOT.parent / "shared" / "data" / "harness-schema" / "pipeline.json"


def test_docs_of_steps_are_fresh() -> None:
    page = (ROOT / "docs" / "steps.md").read_text()
    assert page == steps_page(), "run: python -m fake_harness.pipeline.steps > docs/steps.md"


def test_no_step_is_both_supported_and_unsupported() -> None:
    assert not UNSUPPORTED_STEPS & set(STEP_TYPES)


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schema is not beside the checkout")
@pytest.mark.parametrize("name", sorted(STEP_TYPES))
def test_fields_are_those_of_the_official_schema(name: str) -> None:
    steps = _official_steps()
    nodes = [node for group in steps.values() for node in group.values() if isinstance(node, dict)]
    info = next(found for node in nodes if (found := _info(node, name, steps)) is not None)
    ours = STEP_TYPES[name].fields
    # `isAutoRejectEnabled` and `inputVariables` are written by Harness's editor, not in the schema.
    extra = {"isAutoRejectEnabled", "inputVariables", "registryRef"}
    assert set(ours) - _properties(info) - extra - _CONTAINER_EXTRAS.get(name, set()) == set()
    by_schema = {key for key, field in ours.items() if field.required == "schema"}
    assert by_schema == set(info.get("required", []))


_CONTAINER_EXTRAS = {
    "Run": {"baseImageConnectorRefs"},
    "Background": {"baseImageConnectorRefs"},
    "GitClone": {"image", "imagePullPolicy"},
    "Bandit": {"image"},
}


@cache
def _official_steps() -> dict:
    return json.loads(OFFICIAL.read_text())["definitions"]["pipeline"]["steps"]


def _properties(info: object) -> set[str]:
    """Return every property that a definition names, those of its conditions included."""
    if isinstance(info, list):
        return {name for item in info for name in _properties(item)}
    if not isinstance(info, dict):
        return set()
    own = set(info.get("properties", {}))
    inner = [info.get(key) for key in ("allOf", "anyOf", "oneOf", "then", "else", "if")]
    return own | _properties(inner)


def _info(node: dict, name: str, steps: dict) -> dict | None:
    kinds = node.get("properties", {}).get("type", {}).get("enum", [])
    if kinds != [name]:
        return None
    for rule in node.get("allOf", []):
        ref = rule.get("then", {}).get("properties", {}).get("spec", {}).get("$ref", "")
        if ref:
            *_, group, key = ref.split("/")
            return steps[group][key]
    return None
