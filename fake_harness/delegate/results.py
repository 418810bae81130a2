"""What a step ends with, as the manager stores it; data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

JsonObject = Mapping[str, object]


class Outcome(StrEnum):
    """How a step ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ERRORED = "ERRORED"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The result of one step. A failure is a value here, never an exception of the engine."""

    status: Outcome = Outcome.SUCCEEDED
    message: str = ""
    failure_types: tuple[str, ...] = ()
    outputs: JsonObject = field(default_factory=dict)
    """Members of the step's outcome (`<+steps.X.output.NAME>`)."""
    output_variables: Mapping[str, str] = field(default_factory=dict)
    secret_outputs: tuple[str, ...] = ()
    rollback_data: JsonObject | None = None
    """Kept on the node and handed to the rollback steps of the stage."""

    def wire(self) -> dict[str, object]:
        """Build the body of the report."""
        failure = None
        if self.status is not Outcome.SUCCEEDED:
            types = list(self.failure_types) or ["APPLICATION_ERROR"]
            failure = {"message": self.message, "failureTypes": types}
        return {
            "status": self.status.value,
            "failure": failure,
            "outputs": dict(self.outputs),
            "outputVariables": dict(self.output_variables),
            "secretOutputs": list(self.secret_outputs),
            "rollbackData": dict(self.rollback_data) if self.rollback_data is not None else None,
        }


class StepFailedError(Exception):
    """Raised inside a step to end it as FAILED; `failure_types` are Harness's."""

    def __init__(self, message: str, *failure_types: str) -> None:
        super().__init__(message)
        self.message = message
        self.failure_types = failure_types
        self.outputs: JsonObject = {}
