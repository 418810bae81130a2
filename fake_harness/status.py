"""Execution statuses of Harness, their wire names and their sets; data only.

Source: harness-core `ExecutionStatus` (wire names) and `StatusUtils` (sets, roll-up order).
"""

from enum import StrEnum


class Status(StrEnum):
    """A status by its expression-visible name (`<+stage.currentStatus>`)."""

    NOT_STARTED = "NOT_STARTED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    ASYNC_WAITING = "ASYNC_WAITING"
    TASK_WAITING = "TASK_WAITING"
    TIMED_WAITING = "TIMED_WAITING"
    WAIT_STEP_RUNNING = "WAIT_STEP_RUNNING"
    APPROVAL_WAITING = "APPROVAL_WAITING"
    INTERVENTION_WAITING = "INTERVENTION_WAITING"
    INPUT_WAITING = "INPUT_WAITING"
    RESOURCE_WAITING = "RESOURCE_WAITING"
    PAUSED = "PAUSED"
    DISCONTINUING = "DISCONTINUING"
    SUCCEEDED = "SUCCEEDED"
    IGNORE_FAILED = "IGNORE_FAILED"
    SKIPPED = "SKIPPED"
    SUSPENDED = "SUSPENDED"
    FAILED = "FAILED"
    ERRORED = "ERRORED"
    EXPIRED = "EXPIRED"
    ABORTED = "ABORTED"
    APPROVAL_REJECTED = "APPROVAL_REJECTED"

    @property
    def wire(self) -> str:
        """The name in API answers (`Success`, `ApprovalWaiting`, ...)."""
        return _WIRE[self]

    @property
    def is_final(self) -> bool:
        """True when the node will not change again."""
        return self in FINAL

    @classmethod
    def from_wire(cls, name: str) -> "Status":
        """Return the status with the wire name `name`; ValueError when unknown."""
        for status, wire in _WIRE.items():
            if wire == name:
                return status
        message = f"unknown execution status {name!r}"
        raise ValueError(message)


_WIRE = {
    Status.NOT_STARTED: "NotStarted",
    Status.QUEUED: "Queued",
    Status.RUNNING: "Running",
    Status.ASYNC_WAITING: "AsyncWaiting",
    Status.TASK_WAITING: "TaskWaiting",
    Status.TIMED_WAITING: "TimedWaiting",
    Status.WAIT_STEP_RUNNING: "WaitStepRunning",
    Status.APPROVAL_WAITING: "ApprovalWaiting",
    Status.INTERVENTION_WAITING: "InterventionWaiting",
    Status.INPUT_WAITING: "InputWaiting",
    Status.RESOURCE_WAITING: "ResourceWaiting",
    Status.PAUSED: "Paused",
    Status.DISCONTINUING: "Discontinuing",
    Status.SUCCEEDED: "Success",
    Status.IGNORE_FAILED: "IgnoreFailed",
    Status.SKIPPED: "Skipped",
    Status.SUSPENDED: "Suspended",
    Status.FAILED: "Failed",
    Status.ERRORED: "Errored",
    Status.EXPIRED: "Expired",
    Status.ABORTED: "Aborted",
    Status.APPROVAL_REJECTED: "ApprovalRejected",
}

POSITIVE = frozenset({Status.SUCCEEDED, Status.IGNORE_FAILED, Status.SKIPPED, Status.SUSPENDED})
BROKE = frozenset({Status.FAILED, Status.ERRORED, Status.EXPIRED, Status.APPROVAL_REJECTED})
FINAL = POSITIVE | BROKE | {Status.ABORTED}
ACTIVE = frozenset(Status) - FINAL - {Status.NOT_STARTED}
