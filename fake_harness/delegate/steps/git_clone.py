"""The `GitClone` step and the implicit "Clone codebase" of a CI stage.

Run twice: the folder is made anew. Source: drone-git plugin (depth, tags). The token goes
through git's environment: neither a log line, nor a process list, nor `.git/config` has it.
Not built: submodules, sparse checkout, LFS, and the merge of `prCloneStrategy: MergeCommit`
(a pull request's own commit is checked out).
"""

import base64
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.shell import stream


def git_clone(context: StepContext) -> StepResult:
    """Clone into the workspace (or `cloneDirectory` below it) and check the build out."""
    url = context.text("url")
    folder = context.inside(context.text("cloneDirectory", ""))
    if (folder / ".git").exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    git = _Git(context, folder, url)
    git.run("init", "-q")
    git.run("remote", "add", "origin", url)
    git.run("fetch", "-q", *_options(context), "origin", _revision(context))
    branch = context.text("branch", "")
    if branch:
        git.run("checkout", "-q", "-f", "-B", branch, "FETCH_HEAD")
    else:
        git.run("checkout", "-q", "-f", "FETCH_HEAD")
    git.run("log", "-1", "--format=%H %an: %s")
    return StepResult(outputs={"commitSha": git.head(), "branch": branch})


def _revision(context: StepContext) -> str:
    commit, tag = context.text("commitSha", ""), context.text("tag", "")
    branch = context.text("sourceBranch", "") or context.text("branch", "")
    return commit or (f"refs/tags/{tag}" if tag else "") or branch or "HEAD"


def _options(context: StepContext) -> list[str]:
    depth = context.text("depth", "50")
    options = [] if depth == "0" else [f"--depth={depth}"]
    return [*options, "--tags"] if context.flag("fetchTags") else options


class _Git:
    """Git in one folder, with the connector's credentials."""

    def __init__(self, context: StepContext, folder: Path, url: str) -> None:
        self._context = context
        self._folder = folder
        self._environment = {
            **context.facts.environment,
            "GIT_TERMINAL_PROMPT": "0",
            **_credentials(context, url),
        }

    def run(self, *arguments: str) -> None:
        """Run git and log what it says.

        Raises:
            StepFailedError: it failed.
        """
        self._context.log(f"+ git {' '.join(arguments)}")
        code = stream(self._context, ["git", *arguments], self._environment, self._folder)
        if code != 0:
            message = f"git {arguments[0]} failed with exit code {code}"
            raise StepFailedError(message, "CONNECTIVITY")

    def head(self) -> str:
        """Return the commit that is checked out."""
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


def _credentials(context: StepContext, url: str) -> Mapping[str, str]:
    user, token = context.text("username", "git"), context.text("token", "")
    if not token:
        return {}
    proof = base64.b64encode(f"{user}:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {proof}",
    }
