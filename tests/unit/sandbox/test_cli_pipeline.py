"""`sandbox pipeline lint` finds templates where a `harness/` folder keeps them."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.cli_pipeline import template_folders

DATA = Path(__file__).parents[2] / "testdata" / "templates"
PIPELINE = (DATA / "pipeline.yaml").read_text()
TEMPLATE = (DATA / "rest.yaml").read_text()


@pytest.fixture
def harness(tmp_path: Path) -> Path:
    folder = tmp_path / "harness"
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pipelines" / "ci.yaml").write_text(PIPELINE)
    return folder


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "sandbox"), "pipeline", "lint", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_template(folder: Path) -> None:
    folder.mkdir()
    (folder / "rest.yaml").write_text(TEMPLATE)


def test_nearest_folder_of_each_file_is_taken_once(harness: Path) -> None:
    files = [harness / "pipelines" / name for name in ("ci.yaml", "cd.yaml")]
    assert template_folders(files) == []
    (harness / "templates").mkdir()
    assert template_folders(files) == [harness / "templates"]
    (harness / "pipelines" / "templates").mkdir()
    assert template_folders(files) == [harness / "pipelines" / "templates"]


def test_templates_of_the_harness_folder_are_found(harness: Path) -> None:
    pipeline = str(harness / "pipelines" / "ci.yaml")
    without = lint(pipeline)
    assert without.returncode == 1
    assert "org.rest" in without.stdout
    write_template(harness / "templates")
    assert lint(pipeline).returncode == 0


def test_templates_of_a_named_folder_are_found(harness: Path, tmp_path: Path) -> None:
    write_template(tmp_path / "elsewhere")
    pipeline = str(harness / "pipelines" / "ci.yaml")
    assert lint(pipeline, "--templates", str(tmp_path / "elsewhere")).returncode == 0
