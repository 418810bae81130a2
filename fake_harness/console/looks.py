"""How a status looks: one table of words, tones and marks; colours are the stylesheet's."""

from dataclasses import dataclass

from fake_harness.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`tone` names the colour: good, bad, warn, live, wait or idle."""

    word: str
    tone: str
    mark: str
    """A sign beside the colour, for those who do not see it."""


LOOKS = {
    Status.NOT_STARTED: Look(word="Not started", tone="idle", mark="○"),
    Status.QUEUED: Look(word="Queued", tone="idle", mark="○"),
    Status.RUNNING: Look(word="Running", tone="live", mark="▶"),
    Status.ASYNC_WAITING: Look(word="Running", tone="live", mark="▶"),
    Status.TASK_WAITING: Look(word="Running", tone="live", mark="▶"),
    Status.TIMED_WAITING: Look(word="Waiting", tone="live", mark="◷"),
    Status.WAIT_STEP_RUNNING: Look(word="Waiting", tone="live", mark="◷"),
    Status.APPROVAL_WAITING: Look(word="Waiting for approval", tone="wait", mark="‖"),
    Status.INTERVENTION_WAITING: Look(word="Waiting for intervention", tone="wait", mark="‖"),
    Status.INPUT_WAITING: Look(word="Waiting for input", tone="wait", mark="‖"),
    Status.RESOURCE_WAITING: Look(word="Waiting for its turn", tone="wait", mark="‖"),
    Status.PAUSED: Look(word="Paused", tone="wait", mark="‖"),
    Status.DISCONTINUING: Look(word="Stopping", tone="warn", mark="■"),
    Status.SUCCEEDED: Look(word="Success", tone="good", mark="✓"),
    Status.IGNORE_FAILED: Look(word="Failure ignored", tone="warn", mark="!"),
    Status.SKIPPED: Look(word="Skipped", tone="idle", mark="-"),
    Status.SUSPENDED: Look(word="Suspended", tone="idle", mark="-"),
    Status.FAILED: Look(word="Failed", tone="bad", mark="✕"),
    Status.ERRORED: Look(word="Errored", tone="bad", mark="✕"),
    Status.EXPIRED: Look(word="Timed out", tone="bad", mark="✕"),
    Status.ABORTED: Look(word="Aborted", tone="warn", mark="■"),
    Status.APPROVAL_REJECTED: Look(word="Rejected", tone="bad", mark="✕"),
}
