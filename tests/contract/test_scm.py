"""The Git server with real git over HTTP, and its webhooks with a real receiver."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue

import pytest
import requests
from patience import PATIENCE_S
from werkzeug.serving import make_server

from sandbox.scm.server import create_app
from sandbox.scm.webhooks import Deliverer, sign

Received = "Queue[tuple[dict[str, str], bytes]]"


@contextmanager
def serving(received: Received, port: int = 0) -> Iterator[str]:
    """A receiver of webhooks; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[tuple[str, Received]]:
    received: Received = Queue()
    with serving(received) as url:
        yield url, received


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "git"
    root.mkdir()
    base = "http://127.0.0.1"
    deliverer = Deliverer(root, base, interval_s=0.02)
    server = make_server("127.0.0.1", 0, create_app(root, base), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    deliverer.start()
    yield f"http://127.0.0.1:{server.server_port}"
    deliverer.stop()
    server.shutdown()
    server.server_close()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(url: str, hook_url: str, work: Path) -> None:
    requests.post(f"{url}/api/v3/orgs/workshop/repos", json={"name": "app"}, timeout=30)
    hook = {"events": ["push", "pull_request"], "config": {"url": hook_url, "secret": "s3cret"}}
    requests.post(f"{url}/api/v3/repos/workshop/app/hooks", json=hook, timeout=30)
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "README").write_text("one\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "First")
    git(work, "push", "-q", f"{url}/workshop/app.git", "main")


def test_push_is_announced_with_a_github_shaped_signed_webhook(
    git_server: str, receiver: tuple[str, Received], tmp_path: Path
) -> None:
    hook_url, received = receiver
    work = tmp_path / "work"
    make_repository(git_server, hook_url, work)

    headers, body = received.get(timeout=PATIENCE_S)
    payload = json.loads(body)
    assert headers["X-GitHub-Event"] == "push"
    assert headers["X-Hub-Signature-256"] == sign("s3cret", body)
    assert payload["ref"] == "refs/heads/main"
    assert payload["created"] is True
    assert payload["head_commit"]["id"] == git(work, "rev-parse", "HEAD")
    assert payload["head_commit"]["added"] == ["README"]
    assert payload["repository"]["full_name"] == "workshop/app"


def test_second_push_lists_its_commits_and_files(
    git_server: str, receiver: tuple[str, Received], tmp_path: Path
) -> None:
    hook_url, received = receiver
    work = tmp_path / "work"
    make_repository(git_server, hook_url, work)
    received.get(timeout=PATIENCE_S)
    (work / "README").write_text("two\n")
    git(work, "commit", "-qam", "Second")
    git(work, "push", "-q", f"{git_server}/workshop/app.git", "main")

    payload = json.loads(received.get(timeout=PATIENCE_S)[1])
    assert payload["created"] is False
    assert payload["forced"] is False
    assert [commit["message"] for commit in payload["commits"]] == ["Second"]
    assert payload["commits"][0]["modified"] == ["README"]


def test_opened_pull_request_is_announced(
    git_server: str, receiver: tuple[str, Received], tmp_path: Path
) -> None:
    hook_url, received = receiver
    work = tmp_path / "work"
    make_repository(git_server, hook_url, work)
    received.get(timeout=PATIENCE_S)
    git(work, "push", "-q", f"{git_server}/workshop/app.git", "main:feature")
    received.get(timeout=PATIENCE_S)
    pull = {"title": "Feature", "head": "feature", "base": "main"}
    url = f"{git_server}/api/v3/repos/workshop/app/pulls"
    assert requests.post(url, json=pull, timeout=30).status_code == 201

    headers, body = received.get(timeout=PATIENCE_S)
    payload = json.loads(body)
    assert headers["X-GitHub-Event"] == "pull_request"
    assert payload["action"] == "opened"
    assert payload["pull_request"]["head"]["ref"] == "feature"


def test_clone_gets_what_was_pushed(
    git_server: str, receiver: tuple[str, Received], tmp_path: Path
) -> None:
    make_repository(git_server, receiver[0], tmp_path / "work")
    git(tmp_path, "clone", "-q", "--depth", "1", f"{git_server}/workshop/app.git", "copy")
    assert (tmp_path / "copy" / "README").read_text() == "one\n"


def test_unknown_repository_is_named(git_server: str, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        git(tmp_path, "clone", "-q", f"{git_server}/workshop/absent.git")
    assert "not found" in failed.value.stderr


def test_live_receiver_gets_each_push_once_beside_a_dead_one(
    git_server: str, receiver: tuple[str, Received], tmp_path: Path
) -> None:
    hook_url, received = receiver
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        dead_url = f"http://127.0.0.1:{reserved.getsockname()[1]}/hook"
    work = tmp_path / "work"
    make_repository(git_server, hook_url, work)
    received.get(timeout=PATIENCE_S)
    hook = {"events": ["push"], "config": {"url": dead_url}}
    requests.post(f"{git_server}/api/v3/repos/workshop/app/hooks", json=hook, timeout=30)
    for message in ("Second", "Third"):
        git(work, "commit", "-q", "--allow-empty", "-m", message)
        git(work, "push", "-q", f"{git_server}/workshop/app.git", "main")

    heads = [
        json.loads(received.get(timeout=PATIENCE_S)[1])["head_commit"]["message"] for _ in range(2)
    ]
    assert heads == ["Second", "Third"]
    with pytest.raises(Empty):
        received.get(timeout=0.5)


def test_push_reaches_a_receiver_that_comes_up_later(git_server: str, tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    make_repository(git_server, f"http://127.0.0.1:{port}/hook", tmp_path / "work")
    received: Received = Queue()
    with serving(received, port):
        assert json.loads(received.get(timeout=PATIENCE_S)[1])["ref"] == "refs/heads/main"


def test_junk_in_the_outbox_does_not_hold_up_pushes(
    git_server: str, receiver: tuple[str, Received], tmp_path: Path
) -> None:
    hook_url, received = receiver
    work = tmp_path / "work"
    make_repository(git_server, hook_url, work)
    received.get(timeout=PATIENCE_S)
    outbox = tmp_path / "git" / "workshop" / "app.git" / "outbox"
    (outbox / "0-junk.push").write_text("pusher ada\nnonsense\n")
    git(work, "commit", "-q", "--allow-empty", "-m", "After junk")
    git(work, "push", "-q", f"{git_server}/workshop/app.git", "main")
    payload = json.loads(received.get(timeout=PATIENCE_S)[1])
    assert payload["head_commit"]["message"] == "After junk"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("orgs/workshop/repos", "{}", "name is missing"),
        ("orgs/workshop/repos", "not json", "must be an object"),
        ("orgs/workshop/repos", '{"name": "../etc"}', "is not a repository name"),
        ("repos/workshop/absent/hooks", "{}", "not found"),
    ],
    ids=["no name", "no JSON", "path as a name", "unknown repository"],
)
def test_bad_call_is_refused_with_its_reason(
    git_server: str, path: str, body: str, said: str
) -> None:
    answer = requests.post(f"{git_server}/api/v3/{path}", data=body, timeout=30)
    assert answer.status_code == 422
    assert said in answer.json()["message"]
