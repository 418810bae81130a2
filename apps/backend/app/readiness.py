"""What must hold before this release may take more traffic.

The load balancer does not ask this: a failed check stops a rollout and takes no task out
of service.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from app.repository import UserRepository

REQUIRED_FREE_PLACES: Mapping[str, int] = {"dev": 10, "prod": 100}

log = logging.getLogger(__name__)


class CheckFailedError(Exception):
    """A readiness check did not hold; the message is shown to the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A named condition; `run` returns when it holds and raises when it does not."""

    name: str
    run: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The outcome of one check."""

    name: str
    reason: str | None
    duration_ms: float

    @property
    def passed(self) -> bool:
        """True when the check gave no reason to hold the rollout."""
        return self.reason is None

    def as_json(self) -> dict[str, object]:
        """Return the wire shape; a passed check has no reason."""
        shape: dict[str, object] = {
            "name": self.name,
            "status": "pass" if self.passed else "fail",
            "duration_ms": self.duration_ms,
        }
        return shape if self.passed else {**shape, "reason": self.reason}


class Readiness:
    """Runs every registered check, also when an earlier one failed."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = tuple(checks)

    def run(self) -> tuple[CheckResult, ...]:
        """Return one result a check, in the order of registration."""
        return tuple(_run_one(check) for check in self._checks)


def default_checks(environment: str, repository: UserRepository) -> tuple[Check, ...]:
    """Return the checks of the running service."""
    return (
        Check(name="user_store_answers", run=lambda: store_answers(repository)),
        Check(
            name="user_store_has_room",
            run=lambda: store_has_room(repository, environment, REQUIRED_FREE_PLACES),
        ),
    )


def store_answers(repository: UserRepository) -> None:
    """Raise unless the store can be read."""
    repository.list_users()


def store_has_room(
    repository: UserRepository, environment: str, required: Mapping[str, int]
) -> None:
    """Raise unless the store has the free places that `environment` requires."""
    free, needed = repository.free_places(), required[environment]
    if free < needed:
        message = f"the user store has {free} free places; {environment} requires {needed}"
        raise CheckFailedError(message)


def _run_one(check: Check) -> CheckResult:
    started = perf_counter()
    reason = None
    try:
        check.run()
    except CheckFailedError as failure:
        reason = str(failure)
    except Exception as error:
        log.exception("readiness_check_errored", extra={"check": check.name})
        reason = f"{type(error).__name__} while checking"
    return CheckResult(
        name=check.name, reason=reason, duration_ms=round((perf_counter() - started) * 1000, 2)
    )
