"""The `GitClone` step and the implicit "Clone codebase" of a CI stage.

Run twice: the folder is made anew. Source: drone-git plugin (depth, tags, pull requests). The
token goes through git's environment: neither a log line, nor a process list, nor `.git/config`
has it; git sends it to the repository's host, so submodules from there are cloned with it too.

A pull request is merged into its target branch (`prCloneStrategy: MergeCommit`, the default),
or its own commit is checked out (`SourceBranch`). `commitSha` is its own commit in both.
Not built: sparse checkout and LFS.
"""

import base64
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.shell import stream

_MERGER = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Harness"), ("EMAIL", "noreply@harness.io"))
}
"""Who makes the merge commit; drone-git sets a name of its own, too."""


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
    branch, target = context.text("branch", ""), context.text("targetBranch", "")
    if target and _is_pull_request(context) and _merges(context):
        commit = _merge(context, git, target)
    else:
        commit = _check_out(context, git, branch)
    submodules = context.text("submoduleStrategy", "false").lower()
    if submodules != "false":
        recursive = ["--recursive"] if submodules == "recursive" else []
        git.run("submodule", "update", "--init", *recursive)
    git.run("log", "-1", "--format=%H %an: %s")
    outputs = {"commitSha": commit, "branch": branch}
    merged = git.revision("HEAD")
    return StepResult(outputs=outputs if merged == commit else {**outputs, "mergeSha": merged})


def _check_out(context: StepContext, git: "_Git", branch: str) -> str:
    revision = _revision(context)
    git.run("fetch", "-q", *_options(context), "origin", revision)
    onto = ["-B", branch] if branch else []
    git.run("checkout", "-q", "-f", *onto, "FETCH_HEAD")
    return git.parents("HEAD")[-1] if revision.endswith("/merge") else git.revision("HEAD")


def _merge(context: StepContext, git: "_Git", target: str) -> str:
    """Merge the pull request into its target branch; return the pull request's commit.

    Source: drone-git plugin, `clone-pull-request`.
    """
    git.run("fetch", "-q", *_options(context), "origin", target)
    git.run("checkout", "-q", "-f", "-B", target, "FETCH_HEAD")
    git.run("fetch", "-q", *_options(context), "origin", _revision(context))
    commit = git.revision("FETCH_HEAD")
    git.run("merge", "-q", "--no-edit", commit)
    return commit


def _is_pull_request(context: StepContext) -> bool:
    return bool(context.text("prNumber", "") or context.text("sourceBranch", ""))


def _merges(context: StepContext) -> bool:
    return context.text("prCloneStrategy", "MergeCommit") != "SourceBranch"


def _revision(context: StepContext) -> str:
    commit, tag = context.text("commitSha", ""), context.text("tag", "")
    source, number = context.text("sourceBranch", ""), context.text("prNumber", "")
    if number and not commit and not source:
        # GitHub keeps the merge too, where nothing says what the target is.
        kept = "merge" if _merges(context) and not context.text("targetBranch", "") else "head"
        return f"refs/pull/{number}/{kept}"
    branch = source or context.text("branch", "")
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
            **_MERGER,
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
            reaches_out = arguments[0] in {"fetch", "submodule"}
            raise StepFailedError(message, "CONNECTIVITY" if reaches_out else "APPLICATION_ERROR")

    def revision(self, name: str) -> str:
        """Return the commit behind a name."""
        return self._read("rev-parse", name)

    def parents(self, name: str) -> list[str]:
        """Return the parents of a commit, those that a shallow clone lacks included."""
        rows = self._read("cat-file", "-p", name).splitlines()
        return [row.partition(" ")[2] for row in rows if row.startswith("parent ")]

    def _read(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


def _credentials(context: StepContext, url: str) -> Mapping[str, str]:
    user, token = context.text("username", "git"), context.text("token", "")
    if not token:
        return {}
    proof = base64.b64encode(f"{user}:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{_host(url)}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {proof}",
    }
