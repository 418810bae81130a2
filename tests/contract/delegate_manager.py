"""A tiny manager for delegate tests: the protocol of docs/architecture.md, in memory, and no more.

It can go away and come back on its port; what it was told stays.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patience import PATIENCE_S, eventually
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from fake_harness.delegate_token import verify

TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "sandbox_account"


@dataclass
class FakeManager:
    """Tasks by id; each is offered until it is acquired, and again after a registration."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    acquired: dict[str, int] = field(default_factory=dict)
    offered_again: set[str] = field(default_factory=set)
    aborts: set[str] = field(default_factory=set)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    progress: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    registrations: int = 0
    polls: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    port: int = 0
    server: BaseWSGIServer | None = None

    def start(self) -> None:
        self.server = make_server(
            "127.0.0.1", self.port, Request.application(self._handle), threaded=True
        )
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, task_id: str, task_type: str, **settings: Any) -> None:
        package = {
            "taskId": task_id,
            "taskType": task_type,
            "workspaceId": "stage-1",
            "params": settings.pop("params", {}),
            "secrets": settings.pop("secrets", {}),
            "env": settings.pop("env", {}),
            "timeoutSeconds": 60,
            "logBaseKey": f"log/{task_id}",
        }
        with self.lock:
            self.tasks[task_id] = package

    def script(self, task_id: str, text: str, **settings: Any) -> None:
        source = {"type": "Inline", "spec": {"script": text}}
        outputs = settings.pop("outputs", [])
        params = {"shell": "Bash", "source": source, "outputVariables": outputs}
        self.add(task_id, "ShellScript", params=params, **settings)

    def lines(self, task_id: str, unit: str = "Execute") -> list[str]:
        key = f"log/{task_id}-commandUnit:{unit}" if unit else f"log/{task_id}"
        with self.lock:
            return [row["out"].rstrip("\n") for row in self.logs.get(key, [])]

    def result(self, task_id: str) -> dict[str, Any]:
        return eventually(lambda: self.results.get(task_id, []), f"result of {task_id}")[-1]

    def _handle(self, request: Request) -> Response:
        if not verify(request.headers.get("Authorization", ""), TOKEN, account_id=ACCOUNT):
            return Response("no", status=401)
        with self.lock:
            answer = self._answer(request)
        if isinstance(answer, Response):
            return answer
        return Response(json.dumps(answer), content_type="application/json")

    def _answer(self, request: Request) -> object:  # noqa: PLR0911  one return a route
        parts = request.path.strip("/").split("/")
        if parts[0] == "log-service":
            return self._log(request)
        match parts[2:]:
            case ["delegates", "register"]:
                self.registrations += 1
                done = {task for task in self.acquired if task not in self.results}
                self.offered_again |= done
                return {"resource": {"delegateId": "d1"}}
            case ["delegates", "heartbeat-with-polling"]:
                return {"resource": True}
            case ["delegates", _, "task-events"]:
                self.polls += 1
                return {"delegateTaskEvents": self._events(request.args.getlist("known"))}
            case ["delegates", _, "tasks", task_id, "acquire", "v2"]:
                if task_id in self.results:
                    return Response("the task is over", status=409)
                self.acquired[task_id] = self.acquired.get(task_id, 0) + 1
                self.offered_again.discard(task_id)
                return self.tasks[task_id]
            case ["delegates", _, "tasks", task_id, "progress"]:
                self.progress.setdefault(task_id, []).append(json.loads(request.get_data()))
                return {}
            case ["tasks", task_id, "delegates", _, "v2"]:
                self.results.setdefault(task_id, []).append(json.loads(request.get_data()))
                self.offered_again.discard(task_id)
                return {}
        return Response(request.path, status=404)

    def _events(self, known: list[str]) -> list[dict[str, object]]:
        open_tasks = [t for t in self.tasks if t not in self.acquired or t in self.offered_again]
        new = [t for t in open_tasks if t not in known]
        stop = [t for t in self.aborts if t not in self.results]
        return [{"delegateTaskId": t, "abort": False} for t in new] + [
            {"delegateTaskId": t, "abort": True} for t in stop
        ]

    def _log(self, request: Request) -> object:
        key = request.args["key"]
        if request.method == "DELETE":
            self.closed.add(key)
            return {}
        kept = self.logs.setdefault(key, [])
        rows = [json.loads(line) for line in request.get_data().splitlines()]
        kept += rows[max(0, len(kept) - int(request.args["offset"])) :]
        return {"lines": len(kept)}


@dataclass
class Delegate:
    """The real delegate as a process."""

    manager: FakeManager
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "MANAGER_HOST_AND_PORT": self.manager.url,
            "DELEGATE_TOKEN": TOKEN,
            "ACCOUNT_ID": ACCOUNT,
            "FAKE_HARNESS_DELEGATE_WORK_DIR": str(self.folder),
            **self.environment,
        }
        with (self.folder.parent / "delegate.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fake_harness.delegate_main"],
                env=environment,
                stdout=log,
                stderr=log,
                umask=0o077,  # as the supervisor starts it
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def step_pid(self, task_id: str) -> int:
        path = self.folder / "tasks" / "local" / task_id / "pid"
        eventually((path.parent / "started").exists, f"{task_id} has started")
        return int(path.read_text().split()[0])

    def end_steps(self) -> None:
        """End whatever steps a failed test left."""
        for path in self.folder.glob("tasks/*/*/pid"):
            try:
                os.killpg(int(path.read_text().split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue


@contextmanager
def delegate_before_manager(
    folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[FakeManager, Delegate]]:
    """A manager and a delegate that works for it, with everything it writes in `folder`."""
    manager = FakeManager()
    manager.start()
    (folder / "delegate").mkdir()
    delegate = Delegate(manager=manager, folder=folder / "delegate", environment=environment or {})
    delegate.start()
    try:
        yield manager, delegate
    finally:
        delegate.stop()
        delegate.end_steps()
        manager.stop()
