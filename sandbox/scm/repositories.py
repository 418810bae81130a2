"""Bare Git repositories on disk and the facts that webhooks need of them; no HTTP."""

import json
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
ZERO = "0" * 40
_MERGER = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
"""Who makes the merge commits of pull requests, as on GitHub."""

# The hook runs inside git itself, so a push is never acknowledged without its event on disk.
_POST_RECEIVE = """#!/bin/sh
set -e
mkdir -p outbox
name="outbox/$(date +%s%N)-$$"
{ printf 'pusher %s\\n' "${GIT_PUSHER:-git}"; cat; } > "$name.tmp"
mv "$name.tmp" "$name.push"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefUpdate:
    """One ref changed by one push; all zeros stand for absent."""

    ref: str
    before: str
    after: str
    pusher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit as a webhook names it."""

    id: str
    tree: str
    message: str
    timestamp: str
    author_name: str
    author_email: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    modified: tuple[str, ...]


class Repository:
    """One bare repository, `<root>/<owner>/<name>.git`."""

    def __init__(self, root: Path, owner: str, name: str) -> None:
        if not NAME.fullmatch(owner) or not NAME.fullmatch(name):
            raise SandboxError(f"{owner}/{name} is not a repository name.")
        self.owner = owner
        self.name = name
        self.path = root / owner / f"{name}.git"

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def outbox(self) -> Path:
        """Pushes whose webhooks are not delivered yet."""
        return self.path / "outbox"

    def exists(self) -> bool:
        """Tell whether the repository was created."""
        return (self.path / "HEAD").exists()

    def create(self, default_branch: str = "main") -> None:
        """Create the repository; an existing one is left alone."""
        if self.exists():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        self._git("init", "--bare", "--quiet", f"--initial-branch={default_branch}", ".")
        hook = self.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_POST_RECEIVE)
        hook.chmod(0o755)

    def default_branch(self) -> str:
        """Return the branch that HEAD names."""
        return self._git("symbolic-ref", "--short", "HEAD").strip()

    def resolve(self, revision: str) -> str | None:
        """Return the commit id of a branch, tag or id; None when unknown."""
        done = self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        return done.stdout.strip() or None if done.returncode == 0 else None

    def keep_pull(self, number: int, head: str, base: str) -> None:
        """Keep a pull request's commit, and its merge where there is no conflict.

        Source: GitHub, `refs/pull/N/head` and `refs/pull/N/merge`.
        """
        self._git("update-ref", f"refs/pull/{number}/head", head)
        tree = self._run("merge-tree", "--write-tree", base, head)
        if tree.returncode != 0:
            return
        message = f"Merge {head} into {base}"
        parents = ("-p", base, "-p", head)
        merge = self._git(*_MERGER, "commit-tree", tree.stdout.strip(), *parents, "-m", message)
        self._git("update-ref", f"refs/pull/{number}/merge", merge.strip())

    def branches(self) -> dict[str, str]:
        """Return branch names with their commit ids."""
        text = self._git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
        return dict(line.rsplit(" ", 1) for line in text.splitlines())

    def commits(self, before: str, after: str, *, limit: int = 20) -> tuple[Commit, ...]:
        """Return the commits that a push brought, oldest first, at most `limit`."""
        if after == ZERO:
            return ()
        span = after if before == ZERO else f"{before}..{after}"
        ids = self._git("rev-list", f"--max-count={limit}", span).split()
        return tuple(self.commit(commit_id) for commit_id in reversed(ids))

    def commit(self, commit_id: str) -> Commit:
        """Return one commit with the names of the files that it changed."""
        style = "--format=%H%x00%T%x00%an%x00%ae%x00%cI%x00%B%x00"
        names = ("-c", "core.quotePath=false")
        text = self._git(*names, "show", "--no-renames", "--name-status", style, commit_id)
        sha, tree, name, email, when, message, files = text.split("\0", 6)
        rows = [line.split("\t", 1) for line in files.splitlines() if "\t" in line]
        return Commit(
            id=sha.strip(),
            tree=tree,
            message=message.strip(),
            timestamp=when,
            author_name=name,
            author_email=email,
            added=tuple(path for kind, path in rows if kind == "A"),
            removed=tuple(path for kind, path in rows if kind == "D"),
            modified=tuple(path for kind, path in rows if kind in {"M", "T"}),
        )

    def is_ancestor(self, old: str, new: str) -> bool:
        """Tell whether a move from `old` to `new` is a fast-forward."""
        return self._run("merge-base", "--is-ancestor", old, new).returncode == 0

    def queue(self, event: str, payload: Mapping[str, object]) -> None:
        """Put an event into the outbox; it is on disk when this returns."""
        self.outbox.mkdir(exist_ok=True)
        path = self.outbox / f"{time.time_ns()}-{secrets.token_hex(4)}.event"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"event": event, "payload": payload}))
        temporary.replace(path)

    def pending(self) -> tuple[Path, ...]:
        """Return the outbox files of undelivered events, oldest first."""
        if not self.outbox.is_dir():
            return ()
        kept = [path for path in self.outbox.iterdir() if path.suffix in {".push", ".event"}]
        return tuple(sorted(kept))

    @staticmethod
    def pushed(path: Path) -> tuple[RefUpdate, ...]:
        """Return what a `.push` file of the outbox tells."""
        head, *rows = path.read_text().splitlines()
        pusher = head.removeprefix("pusher ")
        return tuple(_ref_update(row, pusher) for row in rows)

    def read_json(self, name: str) -> list[dict[str, object]]:
        """Read one of the repository's own lists (hooks, pulls, deliveries)."""
        path = self.path / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else []

    def write_json(self, name: str, rows: list[dict[str, object]]) -> None:
        """Replace one of the repository's own lists atomically."""
        path = self.path / f"{name}.json"
        temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        temporary.write_text(json.dumps(rows, indent=1))
        temporary.replace(path)

    def _git(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode != 0:
            raise SandboxError(
                f"git {shlex.join(arguments)} in {self.full_name}: {done.stderr.strip()}"
            )
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, check=False
        )


def list_repositories(root: Path) -> tuple[Repository, ...]:
    """Return every repository below `root`."""
    return tuple(
        Repository(root, path.parent.name, path.name.removesuffix(".git"))
        for path in sorted(root.glob("*/*.git"))
    )


def _ref_update(row: str, pusher: str) -> RefUpdate:
    before, after, ref = row.split(" ", 2)
    return RefUpdate(ref=ref, before=before, after=after, pusher=pusher)
