"""GitHub-shaped webhook payloads; pure but for reading commits.

Source: GitHub webhook events and payloads, `push` and `pull_request`, 2026-10.
"""

import zlib
from collections.abc import Mapping

from sandbox.scm.repositories import ZERO, Commit, RefUpdate, Repository


def push_payload(repository: Repository, update: RefUpdate, base_url: str) -> dict[str, object]:
    """Build the body of a `push` event."""
    commits = [
        _commit(commit, repository, base_url)
        for commit in repository.commits(update.before, update.after)
    ]
    created, deleted = update.before == ZERO, update.after == ZERO
    forced = not created and not deleted and not repository.is_ancestor(update.before, update.after)
    url = f"{base_url}/{repository.full_name}"
    return {
        "ref": update.ref,
        "before": update.before,
        "after": update.after,
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None,
        "compare": f"{url}/compare/{update.before[:12]}...{update.after[:12]}",
        "commits": commits,
        "head_commit": commits[-1] if commits else None,
        "repository": repository_payload(repository, base_url),
        "pusher": {"name": update.pusher, "email": f"{update.pusher}@localhost"},
        "sender": user_payload(update.pusher, base_url),
    }


def pull_request_payload(
    repository: Repository, pull: Mapping[str, object], action: str, base_url: str
) -> dict[str, object]:
    """Build the body of a `pull_request` event."""
    return {
        "action": action,
        "number": pull["number"],
        "pull_request": dict(pull),
        "repository": repository_payload(repository, base_url),
        "sender": pull["user"],
    }


def repository_payload(repository: Repository, base_url: str) -> dict[str, object]:
    """Build the `repository` object that every event carries."""
    url = f"{base_url}/{repository.full_name}"
    return {
        "id": zlib.crc32(repository.full_name.encode()),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": False,
        "owner": user_payload(repository.owner, base_url),
        "html_url": url,
        "url": url,
        "clone_url": f"{url}.git",
        "git_url": f"{url}.git",
        "ssh_url": f"{url}.git",
        "default_branch": repository.default_branch(),
        "master_branch": repository.default_branch(),
    }


def user_payload(login: str, base_url: str) -> dict[str, object]:
    """Build a `user` object."""
    return {
        "login": login,
        "name": login,
        "email": f"{login}@localhost",
        "id": zlib.crc32(login.encode()),
        "type": "User",
        "html_url": f"{base_url}/{login}",
        "avatar_url": "",
    }


def _commit(commit: Commit, repository: Repository, base_url: str) -> dict[str, object]:
    person = {
        "name": commit.author_name,
        "email": commit.author_email,
        "username": commit.author_name.replace(" ", "-").lower(),
    }
    return {
        "id": commit.id,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.timestamp,
        "url": f"{base_url}/{repository.full_name}/commit/{commit.id}",
        "author": person,
        "committer": person,
        "added": list(commit.added),
        "removed": list(commit.removed),
        "modified": list(commit.modified),
    }
