"""Every file of `harness/` is what Harness's own schemas accept."""

import functools
import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from harness_files import HARNESS, ROOT_KEYS, SCHEMAS, all_files, entity_files, load, values

from fake_harness.pipeline.lint import lint_pipeline
from fake_harness.pipeline.yaml_source import load_yaml

SCHEMA_OF = {
    "pipelines": "pipeline",
    "triggers": "trigger",
    "services": "service",
    "environments": "environment",
    "infrastructures": "infrastructure",
    "connectors": "connector",
    "secrets": "secret",
}
needs_schemas = pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason=f"Harness's schemas are not at {SCHEMAS}"
)


@functools.cache
def validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{name}.json").read_text()))


def faults(name: str, document: object) -> list[str]:
    found = validator(name).iter_errors(document)
    return [f"{'.'.join(map(str, e.instance_path))}: {e.message[:300]}" for e in found]


@needs_schemas
@pytest.mark.parametrize(
    "path",
    [path for folder in SCHEMA_OF for path in entity_files(folder)],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_file_passes_the_official_schema(path: Path) -> None:
    assert faults(SCHEMA_OF[path.parent.name], load(path)) == []


@needs_schemas
def test_schema_check_can_fail() -> None:
    document = load(HARNESS / "pipelines" / "cd.yaml")
    for step in values(document, "step"):
        assert isinstance(step, dict)
        step["type"] = "NoSuchStep"
    assert faults("pipeline", document)


@pytest.mark.parametrize("path", all_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_file_holds_one_entity_named_like_itself(path: Path) -> None:
    document = load(path)
    key = ROOT_KEYS[path.parent.name]
    assert list(document) == [key]
    body = document[key]
    assert isinstance(body, dict)
    expected = f"workshop_{path.stem}" if path.parent.name == "pipelines" else path.stem
    assert body["identifier"] == expected
    assert (body["orgIdentifier"], body["projectIdentifier"]) == ("workshop", "harness_workshop")


@pytest.mark.parametrize("path", entity_files("pipelines"), ids=lambda path: path.stem)
def test_pipeline_has_no_lint_problem(path: Path) -> None:
    assert lint_pipeline(load_yaml(path.read_text(), file=str(path))) == []


@pytest.mark.parametrize("path", entity_files("triggers"), ids=lambda path: path.stem)
def test_input_of_trigger_is_yaml_of_its_pipeline(path: Path) -> None:
    (trigger,) = load(path).values()
    assert isinstance(trigger, dict)
    inputs = yaml.safe_load(trigger["inputYaml"])
    assert inputs["pipeline"]["identifier"] == trigger["pipelineIdentifier"]
