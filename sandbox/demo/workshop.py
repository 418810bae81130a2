"""The workshop's own Git repository: made from the project's folders, changed, pushed."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from sandbox.errors import SandboxError, UsageError
from sandbox.local_values import GIT_OWNER, GIT_REPOSITORY

FOLDERS = ("apps", "infra", "harness")
_LEFT_OUT = shutil.ignore_patterns(
    "node_modules",
    "out",
    ".next",
    "coverage",
    "reports",
    ".venv",
    "__pycache__",
    ".terraform",
    "*.tfstate*",
    ".terraform.lock.hcl",
    ".pytest_cache",
    "*.pyc",
    ".coverage",
    "tsconfig.tsbuildinfo",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of one file: a pattern that must occur, and what replaces it."""

    path: str
    pattern: str
    replacement: str
    message: str


class Workshop:
    """A clone of the workshop in the state directory, with the local Git server as origin."""

    def __init__(self, project: Path, work: Path, *, git_url: str, env: Mapping[str, str]) -> None:
        self._project = project
        self._work = work
        self._env = dict(env)
        self.git_url = git_url
        self.owner, self.name = GIT_OWNER, GIT_REPOSITORY

    @property
    def remote(self) -> str:
        """URL of the repository on the Git server."""
        return f"{self.git_url}/{self.owner}/{self.name}.git"

    def create_remote(self) -> None:
        """Create the repository on the Git server; existing is fine."""
        url = f"{self.git_url}/api/v3/orgs/{self.owner}/repos"
        answer = requests.post(url, json={"name": self.name}, timeout=10)
        if not answer.ok:
            raise SandboxError(f"The Git server refused {self.owner}/{self.name}: {answer.text}")

    def prepare(self) -> None:
        """Copy the project's workshop folders into the work tree, once.

        Raises:
            UsageError: a folder is missing.
        """
        if (self._work / ".git").exists():
            return
        for name in FOLDERS:
            source = self._project / name
            if not source.is_dir():
                raise UsageError(
                    f"There is no folder {source}.",
                    hint="Run the demo from the project, or name it with --project.",
                )
            shutil.copytree(source, self._work / name, ignore=_LEFT_OUT, dirs_exist_ok=True)
        self._git("init", "-q", "-b", "main")
        self._git("remote", "add", "origin", self.remote)

    def release(self, edit: Edit | None, message: str = "The workshop") -> str:
        """Commit (after `edit`) and push to main; return the commit id.

        Raises:
            UsageError: the edit's pattern does not occur.
        """
        if edit is not None:
            self._apply(edit)
            message = edit.message
        self._git("add", "-A")
        self._git("commit", "-q", "--allow-empty", "-m", message)
        commit = self._git("rev-parse", "HEAD").strip()
        self._git("push", "-q", "origin", "main")
        return commit

    def revert(self, message: str) -> None:
        """Take the newest commit back, locally; the next release carries it."""
        self._git("revert", "--no-edit", "HEAD")
        self._git("commit", "-q", "--amend", "-m", message)

    def _apply(self, edit: Edit) -> None:
        path = self._work / edit.path
        text = path.read_text()
        changed, count = re.subn(edit.pattern, edit.replacement, text, count=1, flags=re.MULTILINE)
        if count == 0:
            raise UsageError(f"{edit.path} has nothing that matches {edit.pattern!r}.")
        path.write_text(changed)

    def _git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Workshop Learner", "-c", "user.email=learner@example.com"]
        self._work.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self._work,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SandboxError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout
