"""Every fault is found, named by its path, and labelled by who refuses it.

The pipeline and the rows that spoil it are in `tests/testdata/lint`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.lint import KnownEntities, lint_pipeline
from fake_harness.pipeline.yaml_source import dump_yaml, load_yaml

ROOT = Path(__file__).parents[3]
OFFICIAL = ROOT.parent / "shared" / "data" / "harness-schema" / "pipeline.json"
DATA = ROOT / "tests" / "testdata" / "lint"
BASE = (DATA / "pipeline.yaml").read_text()
PLACES = {
    "build": "pipeline.stages.0.stage",
    "deploy": "pipeline.stages.1.stage",
    "step": "pipeline.stages.0.stage.spec.execution.steps.0.step",
}
"""What a row's paths may begin with, besides `pipeline`."""
Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    return list(yaml.safe_load((DATA / name).read_text()))


FAULTS = rows("faults.yaml")
REFERENCES = rows("references.yaml")
DIFFERENCES = rows("differences.yaml")


def spoiled(row: Row) -> dict[str, Any]:
    doc: dict[str, Any] = yaml.safe_load(BASE)
    for path, value in row.get("set", {}).items():
        parent, key = place(doc, path)
        parent[key] = value
    for path, value in row.get("add", {}).items():
        parent, key = place(doc, path)
        parent[key].append(value)
    for path in row.get("drop", ()):
        parent, key = place(doc, path)
        del parent[key]
    return doc


def place(doc: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Return the mapping or list that holds what `path` names, and its key there."""
    start, _, rest = path.partition(".")
    *way, last = [
        int(part) if part.isdigit() else part
        for part in f"{PLACES.get(start, start)}.{rest}".split(".")
    ]
    parent: Any = doc
    for part in way:
        parent = parent[part]
    return parent, last


def errors(doc: dict[str, Any], known: KnownEntities | None = None) -> list[SchemaProblem]:
    problems = lint_pipeline(load_yaml(dump_yaml(doc)), known=known)
    return [problem for problem in problems if problem.severity == "ERROR"]


def test_the_base_pipeline_is_clean() -> None:
    assert lint_pipeline(load_yaml(BASE)) == []


@pytest.mark.parametrize("row", FAULTS, ids=[row["fault"] for row in FAULTS])
def test_fault_is_found_at_its_path(row: Row) -> None:
    problems = errors(spoiled(row))
    found = [problem for problem in problems if row["says"] in problem.message]
    assert found, [f"{problem.yaml_path}: {problem.message}" for problem in problems]
    assert found[0].yaml_path.endswith(row["at"])
    assert found[0].source == row["refused_by"]
    assert found[0].line


# Harness knows this stage type; the official schema refuses the CI spec that the row leaves.
LAX = {"stage type that is not run"}


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schema is not beside the checkout")
def test_label_schema_means_that_the_official_schema_refuses() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    official = jsonschema_rs.validator_for(json.loads(OFFICIAL.read_text()))
    assert official.is_valid(yaml.safe_load(BASE))
    wrong = []
    for row in FAULTS:
        doc = spoiled(row)
        refused = not official.is_valid(doc)
        labelled = any(problem.source == "schema" for problem in errors(doc))
        if refused != labelled and row["fault"] not in LAX:
            wrong.append(f"{row['fault']}: official {'refuses' if refused else 'accepts'}")
    assert not wrong, "\n".join(wrong)


KNOWN = KnownEntities(
    services=frozenset({"backend"}),
    environments=frozenset({"dev"}),
    infrastructures={"dev": frozenset({"ecs"})},
    connectors=frozenset({"docker"}),
    secrets=frozenset({"token", "account.shared"}),
    pipelines=frozenset({"default/demo/child"}),
)


def test_known_references_are_accepted() -> None:
    command = 'echo <+secrets.getValue("account.shared")>'
    assert errors(spoiled({"set": {"step.spec.command": command}}), KNOWN) == []


@pytest.mark.parametrize("row", REFERENCES, ids=[row["says"] for row in REFERENCES])
def test_reference_to_what_does_not_exist_is_found(row: Row) -> None:
    assert any(row["says"] in problem.message for problem in errors(spoiled(row), KNOWN))


@pytest.mark.parametrize("row", DIFFERENCES, ids=[row["says"] for row in DIFFERENCES])
def test_difference_to_harness_is_a_warning(row: Row) -> None:
    doc = spoiled(row)
    assert errors(doc) == []
    problems = lint_pipeline(load_yaml(dump_yaml(doc)))
    assert [p.severity for p in problems if row["says"] in p.message] == ["WARNING"]


def test_looped_nodes_may_be_named_with_their_suffix() -> None:
    inner = "build.spec.execution.steps.1.stepGroup.steps.0.step.spec.command"
    names = (
        "<+steps.test_0.status> <+steps.test_x.status> <+execution.steps.group.steps.inner.status>"
    )
    matrix = {"matrix": {"a": ["x"], "nodeName": "<+matrix.a>"}}
    assert errors(spoiled({"set": {"step.strategy": matrix, inner: names}})) == []


def test_document_without_pipeline_is_refused_as_a_whole() -> None:
    with pytest.raises(YamlInvalidError, match="expected a mapping under `pipeline:`"):
        lint_pipeline(load_yaml("service: {}"))
