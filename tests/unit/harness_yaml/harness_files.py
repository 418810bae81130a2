"""Reads `harness/` for the tests of this folder: documents, references, placeholders."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
HARNESS = ROOT / "harness"
SCHEMAS = ROOT.parent / "shared" / "data" / "harness-schema"

ROOT_KEYS = {
    "pipelines": "pipeline",
    "triggers": "trigger",
    "services": "service",
    "environments": "environment",
    "infrastructures": "infrastructureDefinition",
    "connectors": "connector",
    "secrets": "secret",
    "inputsets": "inputSet",
}
"""Folder of entities to the one key at the top of each document."""

ENVIRONMENT_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
TERRAFORM_PLACEHOLDER = re.compile(r"\$\{terraform\.([a-z0-9_]+)\}")

Json = Mapping[str, object]


def load(path: Path) -> dict[str, object]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict), path
    return document


def entity_files(folder: str) -> list[Path]:
    return sorted((HARNESS / folder).glob("*.yaml"))


def all_files() -> list[Path]:
    return [path for folder in ROOT_KEYS for path in entity_files(folder)]


def entities(folder: str) -> dict[str, dict[str, object]]:
    """Return the entities of a folder by identifier."""
    found: dict[str, dict[str, object]] = {}
    for path in entity_files(folder):
        body = load(path)[ROOT_KEYS[folder]]
        assert isinstance(body, dict), path
        found[str(body["identifier"])] = body
    return found


def values(node: object, key: str) -> Iterator[object]:
    """Yield what stands under `key` anywhere in a document."""
    if isinstance(node, Mapping):
        for name, item in node.items():
            if name == key:
                yield item
            yield from values(item, key)
    elif isinstance(node, list):
        for item in node:
            yield from values(item, key)


def stages(pipeline: Json) -> Iterator[dict[str, object]]:
    """Yield every stage, those in parallel blocks included."""
    items = pipeline["stages"]
    assert isinstance(items, list)
    for item in items:
        for inner in item.get("parallel", [item]):
            yield inner["stage"]


def steps(node: object) -> Iterator[dict[str, object]]:
    """Yield every step below `node`."""
    for step in values(node, "step"):
        assert isinstance(step, dict)
        yield step


def script(step: Json) -> str:
    """Return the script of a ShellScript step."""
    found = list(values(step, "script"))
    assert len(found) == 1
    return str(found[0])


def named(expression: str, text: str) -> set[str]:
    """Return the names in `<+expression.NAME>` anywhere in `text`."""
    return set(re.findall(rf"<\+{re.escape(expression)}\.([A-Za-z0-9_]+)>", text))
