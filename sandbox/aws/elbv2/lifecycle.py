"""The one loop of ELBv2: moves targets through their phases and resends what was refused."""

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Iterable

from sandbox.aws.elbv2.health import HealthReader
from sandbox.aws.elbv2.publisher import Publisher
from sandbox.aws.elbv2.records import RegisteredTarget
from sandbox.aws.elbv2.registration import Registrations
from sandbox.aws.elbv2.state import State
from sandbox.clock import Now

log = logging.getLogger(__name__)

_PROBE_S = 0.1
_PROBE_EVERY_S = 0.1
_RESYNC_EVERY_S = 5.0


class TargetLoop:
    """A thread that wakes when a phase ends, when it is told to, and every few seconds."""

    def __init__(
        self,
        *,
        state: State,
        registrations: Registrations,
        publisher: Publisher,
        health: HealthReader,
        now: Now,
    ) -> None:
        self._state = state
        self._registrations = registrations
        self._publisher = publisher
        self._health = health
        self._now = now
        self._wake = threading.Event()
        self._stopping = False
        self._retried_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="elbv2-targets", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """Make the loop look now; quick, from any thread."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                pause_s = self.step()
            except Exception:  # the top of a loop: the next step may do better
                log.exception("target_loop_failed")
                pause_s = 1.0
            self._wake.wait(pause_s)
            self._wake.clear()

    def step(self) -> float:
        """Do what is due; return the seconds until there may be more."""
        accepting = accepting_targets(self._registrations.registering(), _PROBE_S)
        retry = time.monotonic() - self._retried_at >= _RESYNC_EVERY_S
        with self._state.change():
            self._registrations.advance(accepting, self._now())
            self._publisher.publish(retry=retry)
        if retry:
            self._retried_at = time.monotonic()
        self._health.read_events()
        if self._registrations.registering():
            return _PROBE_EVERY_S
        next_at = self._registrations.next_event_at()
        if next_at is None:
            return _RESYNC_EVERY_S
        return min(max((next_at - self._now()).total_seconds(), 0.01), _RESYNC_EVERY_S)


def accepting_targets(
    targets: Iterable[RegisteredTarget], timeout_s: float
) -> frozenset[RegisteredTarget]:
    """Return those of `targets` that accept a TCP connection within the time limit."""
    accepting: set[RegisteredTarget] = set()
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for target in targets:
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            probe.settimeout(0)
            code = probe.connect_ex((target.address, target.real_port))
            if code == 0:
                accepting.add(target)
            elif code == errno.EINPROGRESS:
                selector.register(probe, selectors.EVENT_WRITE, target)
        while selector.get_map():
            ready = selector.select(timeout_s)
            if not ready:
                break
            for key, _ in ready:
                selector.unregister(key.fileobj)
                assert isinstance(key.fileobj, socket.socket)  # noqa: S101  registered above
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    accepting.add(key.data)
    return frozenset(accepting)
