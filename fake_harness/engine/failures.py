"""The exception by which starting or finishing a node says that the node failed."""

from fake_harness.engine.reports import failure_of
from fake_harness.pipeline.plan import JsonObject


class NodeFailedError(Exception):
    """A failure of the node itself, for its failure strategies; never of the engine."""

    def __init__(self, message: str, *types: str) -> None:
        super().__init__(message)
        self.message = message
        self.types = types or ("UNKNOWN_FAILURE",)

    @property
    def failure(self) -> JsonObject:
        """The failure as node executions keep it."""
        return failure_of(self.message, *self.types)
