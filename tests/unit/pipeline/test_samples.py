"""The sweep: each public pipeline compiles, or is refused with the thing and its path."""

import csv
from pathlib import Path

import pytest

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.triggers import parse_trigger
from fake_harness.pipeline.yaml_source import load_yaml

SAMPLES = Path(__file__).parents[3].parent / "shared" / "data" / "harness-samples"


def _files(kind: str) -> list[Path]:
    if not (SAMPLES / "INDEX").exists():
        return []
    rows = csv.DictReader((SAMPLES / "INDEX").read_text().splitlines(), delimiter="\t")
    return [SAMPLES / row["file"] for row in rows if row["kind"] == kind]


@pytest.mark.parametrize("path", _files("pipeline"), ids=lambda path: path.name[:4])
def test_sample_pipeline_compiles_or_names_what_is_refused(path: Path) -> None:
    text = path.read_text()
    problems = _problems(text)
    for problem in problems:
        assert problem.yaml_path.startswith("pipeline")
        assert problem.line is not None
        assert 1 <= problem.line <= len(text.splitlines())
        assert len(problem.message) > 10
    assert problems or any(node.type for node in compile_pipeline(text).root.walk())


def _problems(text: str) -> tuple[SchemaProblem, ...]:
    try:
        compile_pipeline(text)
    except YamlInvalidError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("path", _files("trigger"), ids=lambda path: path.name[:4])
def test_sample_trigger_is_read(path: Path) -> None:
    assert parse_trigger(path.read_text()).pipeline_identifier


@pytest.mark.skipif(not _files("pipeline"), reason="../shared/data/harness-samples is not there")
def test_enough_samples_compile_for_the_sweep_to_mean_something() -> None:
    compiled = [path for path in _files("pipeline") if not _problems(path.read_text())]
    assert len(compiled) >= 5


@pytest.mark.skipif(not _files("pipeline"), reason="../shared/data/harness-samples is not there")
def test_every_sample_file_reads_as_yaml() -> None:
    for path in sorted(SAMPLES.glob("[ep]*.yaml")):
        assert load_yaml(path.read_text(), file=path.name).data is not None
