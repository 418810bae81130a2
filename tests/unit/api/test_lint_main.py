from pathlib import Path

import pytest

from fake_harness.lint_main import problems_of, template_files

DATA = Path(__file__).parents[2] / "testdata" / "templates"
PIPELINE = (DATA / "pipeline.yaml").read_text()
TEMPLATE = (DATA / "rest.yaml").read_text()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "templates" / "rest.yaml").write_text(TEMPLATE)
    return tmp_path


def test_templates_are_found_in_folders_and_among_the_files(files: Path) -> None:
    pipeline, template = files / "pipeline.yaml", files / "templates" / "rest.yaml"
    assert problems_of(pipeline, template_files([pipeline], [files / "templates"])) == []
    assert problems_of(pipeline, template_files([pipeline, template], [])) == []
    assert problems_of(template, template_files([], [])) == []


def test_missing_template_is_named_with_its_path(files: Path) -> None:
    (problem,) = problems_of(files / "pipeline.yaml")
    assert problem.yaml_path.endswith("steps[0].step.template")
    assert "org.rest" in problem.message


def test_fault_inside_a_template_is_found(files: Path) -> None:
    bad = files / "templates" / "rest.yaml"
    bad.write_text(TEMPLATE.replace("Wait", "Wiat"))
    problems = problems_of(files / "pipeline.yaml", template_files([], [bad.parent]))
    assert any("Wiat" in problem.message for problem in problems)


def test_without_a_version_only_a_single_one_is_meant(files: Path) -> None:
    pipeline = files / "pipeline.yaml"
    pipeline.write_text(PIPELINE.replace(', versionLabel: "1"', ""))
    folder = files / "templates"
    assert problems_of(pipeline, template_files([], [folder])) == []
    (folder / "rest2.yaml").write_text(TEMPLATE.replace('"1"', '"2"'))
    assert problems_of(pipeline, template_files([], [folder])) != []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"pipeline: [", b"", b"a: b"])
def test_unreadable_file_is_a_problem_not_a_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    assert problems_of(path)
    assert problems_of(tmp_path / "missing.yaml")
