"""Read a GitHub-shaped webhook into what triggers and codebase expressions need.

Source: GitHub docs, "Webhook events and payloads" (push, pull_request); harness-core
`CodebaseSweepingOutput` (names of the codebase facts).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fake_harness.pipeline.plan import JsonObject

_ACTIONS = {
    "opened": "Open",
    "reopened": "Reopen",
    "synchronize": "Synchronize",
    "closed": "Close",
    "edited": "Edit",
    "labeled": "Label",
    "unlabeled": "Unlabel",
    "ready_for_review": "ReadyForReview",
}
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """A webhook request whose signature was verified."""

    headers: Mapping[str, str]
    payload: JsonObject
    changed_files: tuple[str, ...] | None = None
    """Where the caller knows them; a push carries them itself."""

    def header(self, name: str) -> str:
        """Return a header, whatever its case; empty when absent."""
        wanted = name.lower()
        return next((v for k, v in self.headers.items() if k.lower() == wanted), "")

    def context(self) -> JsonObject:
        """Return `payload` and `header` of `<+trigger.*>`.

        Header names are found in lower case and as they were sent.
        """
        lowered = {name.lower(): value for name, value in self.headers.items()}
        return {"payload": self.payload, "header": {**lowered, **self.headers}}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitEvent:
    """A push or pull request."""

    kind: str
    """Push | PullRequest."""
    repository: str
    """`owner/name`."""
    trigger: JsonObject
    codebase: JsonObject
    action: str = ""
    changed_files: tuple[str, ...] | None = None

    def is_of(self, wanted: str) -> bool:
        """True when `wanted` (a name, `owner/name` or a URL) means this repository."""
        name = wanted.rstrip("/").removesuffix(".git")
        full = self.repository
        return full == name or full.rsplit("/", 1)[-1] == name or name.endswith("/" + full)


def read_github(event: WebhookEvent) -> GitEvent | str:
    """Return the Git event, or why it is none that a trigger can use."""
    kind = event.header("X-GitHub-Event")
    if kind == "push":
        return _push(event)
    if kind == "pull_request":
        return _pull_request(event)
    return f"GitHub event {kind or '(no X-GitHub-Event header)'} fires no trigger in the sandbox"


def _push(event: WebhookEvent) -> GitEvent | str:
    payload = event.payload
    if payload.get("deleted") is True:
        return "the push deletes a ref"
    ref = _text(payload, "ref")
    tag = ref.removeprefix(_TAGS) if ref.startswith(_TAGS) else ""
    branch = "" if tag else ref.removeprefix(_HEADS)
    sha = _text(payload, "after")
    user = _text(payload, "sender", "login") or _text(payload, "pusher", "name")
    trigger: dict[str, object] = {
        "type": "Webhook",
        "event": "PUSH",
        "branch": branch,
        "targetBranch": branch,
        "commitSha": sha,
        "repoUrl": _repo_url(payload),
        "gitUser": user,
    }
    if tag:
        trigger["tag"] = tag
    codebase = {
        **_common_facts(payload, sha, user),
        "branch": branch,
        "tag": tag,
        "targetBranch": branch,
        "commitRef": ref,
        "commitMessage": _text(payload, "head_commit", "message"),
        "gitUserEmail": _text(payload, "pusher", "email"),
        "baseCommitSha": _text(payload, "before"),
        "build": {"type": "tag" if tag else "Push"},
    }
    return GitEvent(
        kind="Push",
        repository=_text(payload, "repository", "full_name"),
        trigger=trigger,
        codebase=codebase,
        changed_files=_changed(payload) if event.changed_files is None else event.changed_files,
    )


def _pull_request(event: WebhookEvent) -> GitEvent:
    payload = event.payload
    number = _text(payload, "number") or _text(payload, "pull_request", "number")
    source = _text(payload, "pull_request", "head", "ref")
    target = _text(payload, "pull_request", "base", "ref")
    sha = _text(payload, "pull_request", "head", "sha")
    user = _text(payload, "sender", "login") or _text(payload, "pull_request", "user", "login")
    shared = {
        "sourceBranch": source,
        "targetBranch": target,
        "prNumber": number,
        "prTitle": _text(payload, "pull_request", "title"),
        "baseCommitSha": _text(payload, "pull_request", "base", "sha"),
    }
    trigger = {
        "type": "Webhook",
        "event": "PR",
        "branch": source,
        "commitSha": sha,
        "repoUrl": _repo_url(payload),
        "gitUser": user,
        "sourceRepo": "Github",
        **shared,
    }
    action = _text(payload, "action")
    return GitEvent(
        kind="PullRequest",
        repository=_text(payload, "repository", "full_name"),
        trigger=trigger,
        codebase={
            **_common_facts(payload, sha, user),
            **shared,
            **_pull_request_facts(payload, target, number),
        },
        action=_ACTIONS.get(action, action),
        changed_files=event.changed_files,
    )


def _pull_request_facts(payload: JsonObject, target: str, number: str) -> dict[str, object]:
    return {
        "branch": target,
        "commitRef": f"refs/pull/{number}/head",
        "mergeSha": _text(payload, "pull_request", "merge_commit_sha"),
        "pullRequestLink": _text(payload, "pull_request", "html_url"),
        "pullRequestBody": _text(payload, "pull_request", "body"),
        "state": _text(payload, "pull_request", "state"),
        "build": {"type": "PR"},
    }


def _common_facts(payload: JsonObject, sha: str, user: str) -> dict[str, object]:
    return {
        "commitSha": sha,
        "shortCommitSha": sha[:7],
        "repoUrl": _repo_url(payload),
        "gitUser": user,
        "gitUserId": _text(payload, "sender", "login"),
        "gitUserAvatar": _text(payload, "sender", "avatar_url"),
    }


def _repo_url(payload: JsonObject) -> str:
    return _text(payload, "repository", "html_url") or _text(payload, "repository", "clone_url")


def _changed(payload: JsonObject) -> tuple[str, ...]:
    names: dict[str, None] = {}
    commits = payload.get("commits")
    for commit in commits if isinstance(commits, list) else []:
        for key in ("added", "modified", "removed"):
            files = commit.get(key) if isinstance(commit, Mapping) else None
            names.update(dict.fromkeys(map(str, files if isinstance(files, list) else [])))
    return tuple(names)


def _text(payload: object, *keys: str) -> str:
    """Return the text at a path of a payload; empty where it is missing or null."""
    for key in keys:
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return "" if payload is None or isinstance(payload, Mapping | list) else str(payload)
