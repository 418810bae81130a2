"""The delegate stand-in: registers, polls for tasks, runs each as a process of its own.

Any number may run, here or on other machines. It has no database; killing it loses nothing:
its steps go on, and the next delegate of the same name attaches to them.
"""

import signal
import threading
import time
from pathlib import Path
from types import FrameType

import requests
import structlog

from fake_harness.delegate.attach import Attachment, ensure
from fake_harness.delegate.client import ManagerClient, NotRegisteredError
from fake_harness.delegate.follow import Follower
from fake_harness.delegate.steps.registry import STEP_MODULES
from fake_harness.settings import DelegateSettings

log = structlog.get_logger()

_HEARTBEAT_S = 10.0
_POLL_S = 20.0
_RETRY_S = 0.5


class DelegateAgent:
    """One delegate."""

    def __init__(self, settings: DelegateSettings) -> None:
        self._settings = settings
        self._client = ManagerClient(settings)
        self._tasks_dir = settings.work_dir / "tasks" / settings.delegate_name
        self._running: dict[str, tuple[Attachment, Follower]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve until stopped."""
        self._tasks_dir.mkdir(parents=True, exist_ok=True)
        self._register()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        while not self._stop.is_set():
            try:
                self._poll()
            except NotRegisteredError:
                self._register()
            except requests.RequestException as error:
                log.warning("manager_away", error=str(error))
                time.sleep(_RETRY_S)

    def stop(self) -> None:
        """Leave; running steps go on and are adopted by the next start."""
        self._stop.set()
        with self._lock:
            for _, follower in self._running.values():
                follower.leave()

    def _register(self) -> None:
        while not self._stop.is_set():
            try:
                identifier = self._client.register(sorted(STEP_MODULES))
            except requests.RequestException as error:
                log.info("manager_not_ready", error=str(error))
                time.sleep(_RETRY_S)
            else:
                log.info("registered", delegate_id=identifier, name=self._settings.delegate_name)
                return

    def _beat(self) -> None:
        while not self._stop.wait(_HEARTBEAT_S):
            try:
                self._client.heartbeat()
            except (requests.RequestException, NotRegisteredError) as error:
                log.warning("heartbeat_failed", error=str(error))

    def _poll(self) -> None:
        with self._lock:
            known = list(self._running)
        free = self._settings.concurrency - len(known)
        for event in self._client.poll(known, _POLL_S if free > 0 else 1.0):
            if event.abort:
                self._abort(event.task_id)
            elif free > 0 and event.task_id not in known:
                free -= self._take(event.task_id)

    def _take(self, task_id: str) -> int:
        package = self._client.acquire(task_id)
        if package is None:
            return 0
        attachment = ensure(self._tasks_dir, task_id, package)
        key = str(package.get("logBaseKey") or task_id)
        follower = Follower(attachment, key, self._client, done=self._forget)
        with self._lock:
            self._running[task_id] = (attachment, follower)
        log.info("task_started", task_id=task_id, type=package.get("taskType"))
        follower.start()
        return 1

    def _abort(self, task_id: str) -> None:
        with self._lock:
            found = self._running.get(task_id)
        if found is None:
            attachment = Attachment(task_id=task_id, folder=self._folder(task_id))
            self._client.report(task_id, attachment.result() or {"status": "ABORTED"})
            return
        # Stopping waits for the step's grace, so it must not hold up the poll.
        threading.Thread(target=found[0].stop, daemon=True, name="abort").start()

    def _folder(self, task_id: str) -> Path:
        return self._tasks_dir / task_id.replace("/", "_")

    def _forget(self, task_id: str) -> None:
        with self._lock:
            self._running.pop(task_id, None)


def main() -> None:
    """Run one delegate until SIGTERM."""
    agent = DelegateAgent(DelegateSettings())

    def leave(_number: int, _frame: FrameType | None) -> None:
        agent.stop()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    agent.run()


if __name__ == "__main__":
    main()
