"""Webhook payloads are GitHub-shaped, whatever kind of push it was."""

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.scm.payloads import pull_request_payload, push_payload
from sandbox.scm.repositories import ZERO, RefUpdate, Repository
from sandbox.scm.webhooks import sign

BASE = "http://127.0.0.1:3000"
IDENTITY = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com")


class Work:
    """A clone whose pushes are described."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "git", "workshop", "app")
        self.repository.create()
        self.folder = folder / "work"
        self.git("clone", "-q", str(self.repository.path), str(self.folder), cwd=folder)
        self.git("switch", "-q", "-c", "main")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *IDENTITY, *arguments],
            cwd=cwd or self.folder,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, message: str, **files: str | None) -> str:
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def push(self, before: str, after: str, ref: str = "refs/heads/main") -> dict[str, object]:
        self.git("push", "-q", "--force", "origin", "HEAD:refs/heads/main")
        update = RefUpdate(ref=ref, before=before, after=after, pusher="ada")
        return push_payload(self.repository, update, BASE)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_first_push_creates_the_branch(work: Work) -> None:
    after = work.commit("First\n\nWith a body", README="one")
    payload = work.push(ZERO, after)
    assert (payload["created"], payload["deleted"], payload["forced"]) == (True, False, False)
    head = payload["head_commit"]
    assert isinstance(head, dict)
    assert head["message"] == "First\n\nWith a body"
    assert head["author"] == {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "username": "ada-lovelace",
    }
    assert head["tree_id"] == work.git("rev-parse", "HEAD^{tree}")
    assert payload["pusher"] == {"name": "ada", "email": "ada@localhost"}


def test_commit_tells_its_files_by_what_happened_to_them(work: Work) -> None:
    before = work.commit("First", kept="1", gone="1")
    after = work.commit("Second", kept="2", gone=None, **{"späße.txt": "1"})
    payload = work.push(before, after)
    commit = payload["commits"][-1]  # type: ignore[index]
    assert (commit["added"], commit["modified"], commit["removed"]) == (
        ["späße.txt"],
        ["kept"],
        ["gone"],
    )


def test_commits_are_listed_oldest_first(work: Work) -> None:
    before = work.commit("First")
    work.commit("Second")
    after = work.commit("Third")
    payload = work.push(before, after)
    assert [c["message"] for c in payload["commits"]] == ["Second", "Third"]  # type: ignore[union-attr,attr-defined]
    assert payload["compare"] == f"{BASE}/workshop/app/compare/{before[:12]}...{after[:12]}"


def test_rewritten_branch_is_forced(work: Work) -> None:
    work.commit("First")
    before = work.commit("Second", a="1")
    work.push(ZERO, before)
    work.git("reset", "-q", "--hard", "HEAD~1")
    after = work.commit("Another second", a="2")
    assert work.push(before, after)["forced"] is True


def test_deleted_branch_has_no_commits(work: Work) -> None:
    before = work.commit("First")
    work.push(ZERO, before)
    payload = work.push(before, ZERO)
    assert (payload["deleted"], payload["forced"]) == (True, False)
    assert (payload["commits"], payload["head_commit"]) == ([], None)


def test_pull_request_names_action_number_and_sender(work: Work) -> None:
    pull = {"number": 7, "user": {"login": "ada"}, "head": {"ref": "x"}}
    payload = pull_request_payload(work.repository, pull, "opened", BASE)
    assert (payload["action"], payload["number"]) == ("opened", 7)
    assert payload["sender"] == {"login": "ada"}
    assert payload["repository"]["clone_url"] == f"{BASE}/workshop/app.git"  # type: ignore[index]


def test_signature_is_the_one_of_githubs_documentation() -> None:
    """Source: GitHub, "Validating webhook deliveries", its test values."""
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign("It's a Secret to Everybody", b"Hello, World!") == expected


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "x" * 101, "a b"])
def test_names_that_are_no_repository_names_are_refused(tmp_path: Path, name: str) -> None:
    for owner, repository in ((name, "app"), ("workshop", name)):
        with pytest.raises(SandboxError, match="is not a repository name"):
            Repository(tmp_path, owner, repository)


def test_event_waits_in_the_outbox_in_order(work: Work) -> None:
    for number in range(3):
        work.repository.queue("pull_request", {"number": number})
    assert [path.suffix for path in work.repository.pending()] == [".event"] * 3
    texts = [path.read_text() for path in work.repository.pending()]
    assert texts == sorted(texts)
