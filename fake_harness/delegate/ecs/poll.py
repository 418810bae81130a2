"""Waiting inside a step: the one place that sleeps, and that notices the end of the time."""

import time

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError

_SHORTEST_S = 0.3


class Poll:
    """A pause between two looks at AWS; `interval_s` is Harness's own, before time scaling."""

    def __init__(self, context: StepContext, *, interval_s: float, what: str) -> None:
        self._context = context
        self._pause_s = max(_SHORTEST_S, interval_s / context.facts.time_scale)
        self._what = what

    def pause(self) -> None:
        """Wait for the next look.

        Raises:
            StepFailedError: of type TIMEOUT, when the step's time is over before that.
        """
        left = self._context.remaining_s
        if left <= 0:
            message = f"Timed out while waiting for {self._what}."
            raise StepFailedError(message, "TIMEOUT_ERROR")
        time.sleep(min(self._pause_s, left))


def sleep_scaled(context: StepContext, seconds: float) -> None:
    """Wait as long as the user asked for, divided by the time scale."""
    time.sleep(min(seconds / context.facts.time_scale, max(0.0, context.remaining_s)))
