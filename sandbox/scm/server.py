"""Git over HTTP and the part of GitHub's REST API that CI systems call.

It answers on loopback without authentication: whoever can reach it is the laptop's user.
Not built: issues, reviews, merging; an unknown API path answers 404 and names itself.
"""

import gzip
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.errors import SandboxError
from sandbox.host import host_environment
from sandbox.scm.payloads import pull_request_payload, repository_payload, user_payload
from sandbox.scm.repositories import Repository, list_repositories

_SERVICES = frozenset({"git-upload-pack", "git-receive-pack"})


def create_app(root: Path, base_url: str) -> Flask:
    """Make the WSGI application over the repositories below `root`."""
    app = Flask(__name__)
    _add_git(app, root)
    _add_api(app, root, base_url)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok", repositories=len(list_repositories(root)))

    @app.errorhandler(SandboxError)
    def refused(error: SandboxError) -> ResponseReturnValue:
        return jsonify(message=error.message), 422

    @app.errorhandler(404)
    def unknown(_error: object) -> ResponseReturnValue:
        return jsonify(message=f"Not Found: {request.method} {request.path}"), 404

    return app


def _add_git(app: Flask, root: Path) -> None:
    # As on GitHub, a clone URL may end in .git or not.
    @app.get("/<owner>/<name>/info/refs")
    def info_refs(owner: str, name: str) -> ResponseReturnValue:
        service = request.args.get("service", "")
        repository = Repository(root, owner, name.removesuffix(".git"))
        if service not in _SERVICES:
            return "This server speaks the smart HTTP protocol only.\n", 403
        if not repository.exists():
            return f"Repository {owner}/{name} not found.\n", 404
        done = subprocess.run(
            ["git", service.removeprefix("git-"), "--stateless-rpc", "--advertise-refs", "."],
            cwd=repository.path,
            env=_git_environment(),
            capture_output=True,
            check=True,
        )
        banner = f"# service={service}\n"
        head = f"{len(banner) + 4:04x}{banner}0000".encode()
        return _git_response(head + done.stdout, f"application/x-{service}-advertisement")

    @app.post("/<owner>/<name>/<any('git-upload-pack', 'git-receive-pack'):service>")
    def rpc(owner: str, name: str, service: str) -> ResponseReturnValue:
        repository = Repository(root, owner, name.removesuffix(".git"))
        if not repository.exists():
            return f"Not found: {request.path}\n", 404
        body = request.stream.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return _git_response(_rpc(repository, service, body), f"application/x-{service}-result")


def _rpc(repository: Repository, service: str, body: bytes) -> bytes:
    done = subprocess.run(
        ["git", service.removeprefix("git-"), "--stateless-rpc", "."],
        cwd=repository.path,
        env=_git_environment(),
        input=body,
        stdout=subprocess.PIPE,
        check=False,
    )
    return done.stdout


def _git_environment() -> dict[str, str]:
    authorization = request.authorization
    pusher = (authorization.username if authorization else None) or "developer"
    environment = {
        "PATH": host_environment().get("PATH", os.defpath),
        "GIT_PUSHER": pusher,
        "GIT_CONFIG_COUNT": "1",
        # Bare repositories made by another uid (a container's) are still ours.
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    if protocol := request.headers.get("Git-Protocol"):
        environment["GIT_PROTOCOL"] = protocol
    return environment


def _git_response(body: bytes, content_type: str) -> Response:
    return Response(body, content_type=content_type, headers={"Cache-Control": "no-cache"})


def _add_api(app: Flask, root: Path, base_url: str) -> None:  # noqa: C901  (a table of routes)
    def existing(owner: str, name: str) -> Repository:
        repository = Repository(root, owner, name)
        if not repository.exists():
            raise SandboxError(f"Repository {owner}/{name} not found.")
        return repository

    @app.post("/api/v3/orgs/<owner>/repos")
    def create(owner: str) -> ResponseReturnValue:
        body = _json_body()
        if "name" not in body:
            raise SandboxError("Validation Failed: name is missing.")
        repository = Repository(root, owner, str(body["name"]))
        repository.create(str(body.get("default_branch", "main")))
        return jsonify(repository_payload(repository, base_url)), 201

    @app.get("/api/v3/repos/<owner>/<name>")
    def describe(owner: str, name: str) -> ResponseReturnValue:
        return jsonify(repository_payload(existing(owner, name), base_url))

    @app.get("/api/v3/repos/<owner>/<name>/branches")
    def branches(owner: str, name: str) -> ResponseReturnValue:
        rows = existing(owner, name).branches().items()
        return jsonify([{"name": branch, "commit": {"sha": sha}} for branch, sha in rows])

    @app.get("/api/v3/repos/<owner>/<name>/hooks")
    def hooks(owner: str, name: str) -> ResponseReturnValue:
        return jsonify([_public(hook) for hook in existing(owner, name).read_json("hooks")])

    @app.post("/api/v3/repos/<owner>/<name>/hooks")
    def add_hook(owner: str, name: str) -> ResponseReturnValue:
        repository = existing(owner, name)
        body = _json_body()
        url = _hook_url(body)
        if not url:
            raise SandboxError("Validation Failed: config.url is missing.")
        rows = [h for h in repository.read_json("hooks") if _hook_url(h) != url]
        identifier = 1 + max((int(str(h["id"])) for h in rows), default=0)
        hook = {
            "id": identifier,
            "name": "web",
            "active": body.get("active", True),
            "events": body.get("events", ["push"]),
            "config": body["config"],
        }
        repository.write_json("hooks", [*rows, hook])
        return jsonify(_public(hook)), 201

    @app.get("/api/v3/repos/<owner>/<name>/deliveries")
    def deliveries(owner: str, name: str) -> ResponseReturnValue:
        return jsonify(existing(owner, name).read_json("deliveries"))

    @app.post("/api/v3/repos/<owner>/<name>/pulls")
    def open_pull(owner: str, name: str) -> ResponseReturnValue:
        repository = existing(owner, name)
        pull = _open_pull(repository, _json_body(), base_url)
        payload = pull_request_payload(repository, pull, "opened", base_url)
        repository.queue("pull_request", payload)
        return jsonify(pull), 201

    @app.get("/api/v3/repos/<owner>/<name>/pulls")
    def pulls(owner: str, name: str) -> ResponseReturnValue:
        return jsonify(existing(owner, name).read_json("pulls"))


def _open_pull(repository: Repository, body: dict[str, object], base_url: str) -> dict[str, object]:
    branches = repository.branches()
    head, base = str(body.get("head", "")), str(body.get("base", repository.default_branch()))
    for branch in (head, base):
        if branch not in branches:
            raise SandboxError(f"Validation Failed: no branch {branch!r}.")
    rows = repository.read_json("pulls")
    number = len(rows) + 1
    owner = user_payload("developer", base_url)
    described = repository_payload(repository, base_url)
    pull: dict[str, object] = {
        "number": number,
        "id": number,
        "state": "open",
        "title": str(body.get("title", head)),
        "body": str(body.get("body") or ""),
        "user": owner,
        "html_url": f"{base_url}/{repository.full_name}/pull/{number}",
        "diff_url": f"{base_url}/{repository.full_name}/pull/{number}.diff",
        "merged": False,
        "draft": False,
        "created_at": datetime.now(UTC).isoformat(),
        "head": {"ref": head, "sha": branches[head], "repo": described, "user": owner},
        "base": {"ref": base, "sha": branches[base], "repo": described, "user": owner},
    }
    repository.keep_pull(number, branches[head], branches[base])
    repository.write_json("pulls", [*rows, pull])
    return pull


def _json_body() -> dict[str, object]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise SandboxError("Problems parsing JSON: the body must be an object.")
    return body


def _hook_url(hook: dict[str, object]) -> object:
    config = hook.get("config")
    return config.get("url") if isinstance(config, dict) else None


def _public(hook: dict[str, object]) -> dict[str, object]:
    config = hook.get("config")
    shown = dict(config) if isinstance(config, dict) else {}
    if "secret" in shown:
        shown["secret"] = "********"  # noqa: S105  (the mask itself)
    return {**hook, "config": shown}
