"""Roll-up of statuses: what a parent is, given its children; pure."""

from collections.abc import Iterable

from fake_harness.status import POSITIVE, Status

FINAL_ORDER = (
    Status.ABORTED,
    Status.ERRORED,
    Status.FAILED,
    Status.APPROVAL_REJECTED,
    Status.EXPIRED,
)
"""The first that is present wins. Source: harness-core StatusUtils."""

LIVE_ORDER = (
    Status.INTERVENTION_WAITING,
    Status.APPROVAL_WAITING,
    Status.INPUT_WAITING,
    Status.RESOURCE_WAITING,
    Status.WAIT_STEP_RUNNING,
)


def roll_up(statuses: Iterable[Status]) -> Status:
    """Return the status of a parent whose children all ended with `statuses`.

    No children, or skipped ones only, is a success. Source: harness-core StatusUtils.
    """
    seen = frozenset(statuses)
    for status in FINAL_ORDER:
        if status in seen:
            return status
    if not seen <= POSITIVE:
        unfinished = sorted(seen - POSITIVE)
        message = f"roll-up of unfinished statuses {unfinished}"
        raise ValueError(message)
    return Status.IGNORE_FAILED if Status.IGNORE_FAILED in seen else Status.SUCCEEDED


def live_status(statuses: Iterable[Status]) -> Status:
    """Return what a running execution shows, given its leaves that are not final."""
    seen = frozenset(statuses)
    return next((status for status in LIVE_ORDER if status in seen), Status.RUNNING)
