"""The delegate stand-in: registers, polls for tasks, runs each as a process of its own.

Any number may run, here or on other machines. It has no database; killing it loses nothing:
its steps go on, and the next delegate of the same name attaches to them.
"""

import signal
import threading
from types import FrameType

import requests
import structlog

from fake_harness.delegate.attach import Attachment, attachment_of, ensure, left_behind
from fake_harness.delegate.client import ManagerClient, NotRegisteredError
from fake_harness.delegate.context import DelegateFacts
from fake_harness.delegate.follow import Follower
from fake_harness.delegate.steps.registry import STEP_MODULES
from fake_harness.settings import DelegateSettings, host_environment

log = structlog.get_logger()

_HEARTBEAT_S = 10.0
_POLL_S = 20.0
_RETRY_S = 0.5
_PAUSE_S = 0.2


class DelegateAgent:
    """One delegate."""

    def __init__(self, settings: DelegateSettings) -> None:
        self._settings = settings
        self._client = ManagerClient(settings)
        self._tasks_dir = settings.work_dir / "tasks" / settings.delegate_name
        self._facts = DelegateFacts(
            work_dir=settings.work_dir,
            image_builder=settings.image_builder,
            time_scale=settings.time_scale,
            environment=host_environment(),
            has_engine=settings.containers == "docker",
        )
        self._running: dict[str, Follower] = {}
        self._stopping: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve until stopped."""
        self._settings.work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tasks_dir.mkdir(parents=True, exist_ok=True)
        self._register()
        self._adopt()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        while not self._stop.is_set():
            try:
                self._poll()
            except NotRegisteredError:
                self._register()
            except requests.RequestException as error:
                log.warning("manager_away", error=str(error))
                self._stop.wait(_RETRY_S)

    def stop(self) -> None:
        """Leave; running steps go on and are adopted by the next start."""
        self._stop.set()
        with self._lock:
            for follower in self._running.values():
                follower.leave()

    def _register(self) -> None:
        while not self._stop.is_set():
            try:
                identifier = self._client.register(sorted(STEP_MODULES))
            except requests.RequestException as error:
                log.info("manager_not_ready", error=str(error))
                self._stop.wait(_RETRY_S)
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
        began = False
        for event in self._client.poll(known, _POLL_S if free > 0 else 1.0):
            if event.abort:
                began |= self._abort(event.task_id)
            elif free > 0 and event.task_id not in known and self._take(event.task_id):
                free -= 1
                began = True
        if not began:
            # Aborts are repeated until the task has ended, and so are offers beyond our number.
            self._stop.wait(_PAUSE_S)

    def _take(self, task_id: str) -> bool:
        package = self._client.acquire(task_id)
        if package is None:
            return False
        handover = {"package": package, "facts": self._facts.wire()}
        attachment = ensure(self._tasks_dir, task_id, handover)
        log.info("task_started", task_id=task_id, type=package.get("taskType"))
        self._follow(attachment)
        return True

    def _adopt(self) -> None:
        """Go on with what an earlier life of this delegate began."""
        for attachment in left_behind(self._tasks_dir):
            log.info("task_adopted", task_id=attachment.task_id)
            self._follow(attachment)

    def _follow(self, attachment: Attachment) -> None:
        follower = Follower(attachment, self._client, done=self._forget)
        with self._lock:
            self._running[attachment.task_id] = follower
        follower.start()

    def _abort(self, task_id: str) -> bool:
        """Stop a task; False when that is under way. Its follower reports the end."""
        attachment = attachment_of(self._tasks_dir, task_id)
        with self._lock:
            is_ours, is_stopping = task_id in self._running, task_id in self._stopping
        if is_stopping:
            return False
        log.info("task_aborted", task_id=task_id)
        if not is_ours and not attachment.folder.exists():
            self._client.report(task_id, {"status": "ABORTED"})
            return True
        if not is_ours:
            self._follow(attachment)
        with self._lock:
            self._stopping.add(task_id)
        # Stopping waits for the step's grace, so it must not hold up the poll.
        threading.Thread(target=attachment.stop, daemon=True, name="abort").start()
        return True

    def _forget(self, task_id: str) -> None:
        with self._lock:
            self._running.pop(task_id, None)
            self._stopping.discard(task_id)


def main() -> None:
    """Run one delegate until SIGTERM."""
    agent = DelegateAgent(DelegateSettings())
    signal.signal(signal.SIGTERM, _leave)
    try:
        agent.run()
    finally:
        agent.stop()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
