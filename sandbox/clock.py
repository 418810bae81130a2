"""The current time and the sandbox's compressed durations; it never sleeps."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, UTC aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Divides waits that the cloud imposes; time stamps stay real.

    Health-check intervals, deregistration delays, cooldowns, alarm periods, `Wait`
    steps and retry intervals divide by `factor`.
    """

    factor: float = 1.0

    def shorten(self, seconds: float) -> float:
        """Return how many real seconds `seconds` of the cloud take here."""
        return seconds / self.factor
