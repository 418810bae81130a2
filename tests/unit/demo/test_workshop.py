"""The workshop's repository: made once, edited by patterns that must occur."""

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.demo.story import BAD_RELEASE, GOOD_RELEASE
from sandbox.demo.workshop import FOLDERS, Edit, Workshop
from sandbox.errors import SandboxError, UsageError

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / "project" / name).mkdir(parents=True)
        (tmp_path / "project" / name / "kept.txt").write_text("one\n")
    (tmp_path / "project" / "apps" / "node_modules").mkdir()
    (tmp_path / "project" / "apps" / "node_modules" / "big.js").write_text("")
    return tmp_path / "project"


@pytest.fixture
def workshop(tmp_path: Path, project: Path) -> Workshop:
    remote = tmp_path / "git" / "workshop" / "harness-workshop.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    url = (tmp_path / "git").as_uri()
    made = Workshop(project, tmp_path / "work", git_url=url, env=os.environ)
    made.prepare()
    return made


def at_remote(tmp_path: Path, *arguments: str) -> str:
    remote = tmp_path / "git" / "workshop" / "harness-workshop.git"
    done = subprocess.run(
        ["git", *arguments], cwd=remote, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_release_is_pushed_without_build_products(workshop: Workshop, tmp_path: Path) -> None:
    commit = workshop.release(None)
    assert at_remote(tmp_path, "rev-parse", "main").strip() == commit
    files = at_remote(tmp_path, "ls-tree", "-r", "--name-only", "main").split()
    assert files == sorted(f"{name}/kept.txt" for name in FOLDERS)


def test_edit_is_one_commit(workshop: Workshop, tmp_path: Path) -> None:
    workshop.release(None)
    edit = Edit(path="apps/kept.txt", pattern="^one$", replacement="two", message="Say two")
    workshop.release(edit)
    assert at_remote(tmp_path, "show", "main:apps/kept.txt") == "two\n"
    assert at_remote(tmp_path, "log", "-1", "--format=%s", "main").strip() == "Say two"


def test_edit_that_changes_nothing_is_an_error(workshop: Workshop) -> None:
    edit = Edit(path="apps/kept.txt", pattern="absent", replacement="", message="x")
    with pytest.raises(UsageError, match=r"apps/kept.txt has nothing that matches 'absent'"):
        workshop.release(edit)


def test_reverted_release_is_carried_by_the_next_push(workshop: Workshop, tmp_path: Path) -> None:
    workshop.release(None)
    edit = Edit(path="apps/kept.txt", pattern="one", replacement="bad", message="Break it")
    workshop.release(edit)
    workshop.revert("Take it back")
    assert at_remote(tmp_path, "show", "main:apps/kept.txt") == "bad\n"
    workshop.release(None, "Next")
    assert at_remote(tmp_path, "show", "main:apps/kept.txt") == "one\n"


def test_work_tree_is_made_once(workshop: Workshop, project: Path, tmp_path: Path) -> None:
    (project / "apps" / "kept.txt").write_text("changed\n")
    workshop.prepare()
    assert (tmp_path / "work" / "apps" / "kept.txt").read_text() == "one\n"


def test_missing_folder_is_named(tmp_path: Path, project: Path) -> None:
    made = Workshop(tmp_path, tmp_path / "work2", git_url="file:///x", env=os.environ)
    with pytest.raises(UsageError, match="There is no folder") as refused:
        made.prepare()
    assert "--project" in refused.value.hint


def test_failing_git_says_what_git_said(tmp_path: Path, project: Path) -> None:
    url = (tmp_path / "absent").as_uri()
    made = Workshop(project, tmp_path / "work2", git_url=url, env=os.environ)
    made.prepare()
    with pytest.raises(SandboxError, match=r"git push .* failed: "):
        made.release(None)


@pytest.mark.parametrize("edit", [GOOD_RELEASE, BAD_RELEASE], ids=["good", "bad"])
def test_edits_of_the_demo_fit_the_workshop(edit: Edit, tmp_path: Path) -> None:
    source = PROJECT / edit.path
    target = tmp_path / "work" / edit.path
    target.parent.mkdir(parents=True)
    target.write_text(source.read_text())
    Workshop(PROJECT, tmp_path / "work", git_url="file:///x", env={})._apply(edit)
    changed = target.read_text()
    assert changed != source.read_text()
    compile(changed, edit.path, "exec")
