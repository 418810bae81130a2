from pathlib import Path

import pytest

from sandbox.aws.builder.ignore import IgnoreRules


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("node_modules", "node_modules/a/b.js", True),
        ("node_modules", "src/node_modules/a.js", False),
        ("**/node_modules", "src/node_modules/a.js", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/a.md", False),
        ("**/*.md", "docs/a.md", True),
        ("*\n!app\n**/__pycache__", "app/x.py", False),
        ("*\n!app\n**/__pycache__", "app/__pycache__/x.pyc", True),
        ("*\n!app", "tests/x.py", True),
        ("docs\n!docs/keep.txt", "docs/keep.txt", False),
        ("/docs/", "docs/a", True),
        ("# comment\n\nfile?.txt", "file1.txt", True),
    ],
)
def test_last_matching_rule_decides(rules: str, path: str, ignored: bool) -> None:
    assert IgnoreRules(rules).ignores(path) is ignored


def test_only_files_that_count_are_listed(tmp_path: Path) -> None:
    for name in ("app/x.py", "app/__pycache__/x.pyc", "node_modules/a/i.js", "Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("*\n!app\n**/__pycache__\n")
    assert list(IgnoreRules.of(tmp_path).files(tmp_path)) == ["app/x.py"]


def test_ignored_folders_are_not_walked() -> None:
    rules = IgnoreRules("*\n!app\n")
    assert rules.prunes("node_modules")
    assert not rules.prunes("app")
    assert not IgnoreRules("docs\n!docs/a").prunes("docs")
