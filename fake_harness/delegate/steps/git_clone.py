"""The `GitClone` step and the implicit "Clone codebase" of a CI stage.

Run twice: the folder is made anew. Source: drone-git plugin (depth, tags, submodules).
"""

import shutil
from urllib.parse import quote, urlsplit, urlunsplit

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.shell import stream


def git_clone(context: StepContext) -> StepResult:
    """Clone into the workspace (or `cloneDirectory` below it) and check the build out."""
    url = _url(context)
    relative = context.text("cloneDirectory", "").removeprefix("/harness").strip("/")
    folder = (context.workspace / relative).resolve()
    if not folder.is_relative_to(context.workspace.resolve()):
        raise StepFailedError(f"cloneDirectory [{relative}] leaves the workspace.")
    if (folder / ".git").exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    revision = context.text("commitSha", "") or context.text("branch", "") or "HEAD"
    depth = context.text("depth", "50")
    _git(context, folder, "init", "-q")
    _git(context, folder, "remote", "add", "origin", url)
    fetch = ["fetch", "-q", "origin", revision]
    if depth != "0":
        fetch.insert(2, f"--depth={depth}")
    if context.flag("fetchTags"):
        fetch.insert(2, "--tags")
    _git(context, folder, *fetch)
    _git(context, folder, "checkout", "-q", "FETCH_HEAD")
    branch = context.text("branch", "")
    if branch:
        _git(context, folder, "checkout", "-q", "-B", branch)
    _git(context, folder, "log", "-1", "--format=%H %an: %s")
    return StepResult(outputs={"commitSha": context.text("commitSha", ""), "branch": branch})


def _url(context: StepContext) -> str:
    """Return the clone URL with the connector's user and token, which are masked in logs."""
    url = context.text("url")
    user, token = context.text("username", ""), context.text("token", "")
    if not token:
        return url
    parts = urlsplit(url)
    credentials = f"{quote(user or 'git', safe='')}:{quote(token, safe='')}"
    return urlunsplit(
        parts._replace(
            netloc=f"{credentials}@{parts.hostname}:{parts.port}"
            if parts.port
            else f"{credentials}@{parts.hostname}"
        )
    )


def _git(context: StepContext, folder: object, *arguments: str) -> None:
    context.log(f"+ git {' '.join(arguments)}")
    environment = {**context.facts.environment, "GIT_TERMINAL_PROMPT": "0"}
    code = stream(context, ["git", *arguments], environment, context.workspace / str(folder))
    if code != 0:
        raise StepFailedError(f"git {arguments[0]} failed with exit code {code}", "CONNECTIVITY")
