"""Waiting for what will come true: soon on a fast machine, in its own time on a slow one.

The limit is no promise of the product: it only ends a test that would hang. A test of a
promise about time compares with what the broken product would take, never with a stopwatch.
"""

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 120.0
"""What a test leaves running to prove that somebody ends it must run longer than this."""


def eventually(
    condition: Callable[[], T],
    what: str | Callable[[], object] = "the condition",
    *,
    within_s: float = PATIENCE_S,
) -> T:
    """Return the first true answer of `condition`; a failure says `what` did not come."""
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        late = time.monotonic() >= deadline
        assert not late, f"not true within {within_s:.0f} s: {what() if callable(what) else what}"
        time.sleep(0.02)
    return answer


def until_it_serves(
    process: subprocess.Popen[bytes],
    is_ready: Callable[[], bool],
    log: Callable[[], str],
    *,
    within_s: float = PATIENCE_S,
) -> None:
    """Await a server's readiness; a failure, or the server's early end, shows its log."""

    def serves() -> bool:
        assert process.poll() is None, log()
        return is_ready()

    eventually(serves, log, within_s=within_s)
