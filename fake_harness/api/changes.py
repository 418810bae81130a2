"""Tells waiting requests that the database has changed; it does not say what changed.

One thread looks at SQLite's `PRAGMA data_version`, which grows with every commit of another
connection, however many requests wait. Nobody looks while nobody waits.
"""

import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine

_LOOK_S = 0.05
_BLIND_LOOK_S = 0.25
"""PostgreSQL has no such counter: those who wait look at their rows this often."""


class Changes:
    """A counter that grows after commits, to be waited on by any number of threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._condition = threading.Condition()
        self._count = 0
        self._waiting = 0
        self._thread: threading.Thread | None = None

    def mark(self) -> int:
        """Return the counter; take it before reading rows, and wait with it afterwards."""
        with self._condition:
            return self._count

    def wait(self, mark: int, timeout_s: float) -> int:
        """Return the counter once it differs from `mark`, or after `timeout_s`.

        It may differ without a change that concerns the caller: read the rows again.
        """
        with self._condition:
            self._waiting += 1
            self._start()
            self._condition.notify_all()
            try:
                self._condition.wait_for(lambda: self._count != mark, timeout=timeout_s)
            finally:
                self._waiting -= 1
            return self._count

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="changes", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        version, pause_s = self._counter()
        seen = version()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting > 0)
            newest = version()
            if newest != seen:
                seen = newest
                with self._condition:
                    self._count += 1
                    self._condition.notify_all()
            time.sleep(pause_s)

    def _counter(self) -> tuple[Callable[[], int], float]:
        """Return what to call and how often; a connection of its own, never in a transaction."""
        if self._engine.dialect.name != "sqlite":
            return time.monotonic_ns, _BLIND_LOOK_S
        connection = self._engine.raw_connection()
        connection.detach()
        cursor = connection.cursor()

        def version() -> int:
            cursor.execute("PRAGMA data_version")
            row = cursor.fetchone()
            return int(row[0]) if row else 0

        return version, _LOOK_S
