"""The AWS calls that a test, its pipeline and its tasks made, as a test reads them; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCall:
    """One AWS API call that reached the gateway."""

    number: int
    """Counts from 1 after each reset, in the order of the answers."""
    service: str
    """As boto3 names it: `ecs`, `s3`, `elbv2`."""
    operation: str
    """`RegisterTaskDefinition`, `PutObject`, ..."""
    parameters: Mapping[str, Any]
    """As the client sent them; for REST services those of path, query and headers."""
    region: str
    by: str
    """test | pipeline | task, or the access key of somebody else."""
    status: int
    error: str = ""
    """The error's code, when it was refused."""

    @property
    def name(self) -> str:
        """Return `service.Operation`."""
        return f"{self.service}.{self.operation}"

    def __str__(self) -> str:
        refused = f" -> {self.error or self.status}" if self.status >= 400 else ""
        return f"{self.number:3d} {self.by:8s} {self.name}{refused}"


def is_read(operation: str) -> bool:
    """Tell whether an operation only looks, by its name."""
    return operation.startswith(("Describe", "Get", "List", "Head", "BatchGet", "Lookup", "Query"))


def missing_in_order(calls: Sequence[AwsCall], wanted: Sequence[str]) -> str:
    """Return the first of `wanted` that does not follow the ones before it, or an empty text.

    Other calls may lie between. `ecs.*` matches any operation of a service, and a name
    without a service (`CreateService`) that operation of any.
    """
    rest = iter(calls)
    for name in wanted:
        if not any(matches(call, name) for call in rest):
            return name
    return ""


def matches(call: AwsCall, pattern: str) -> bool:
    """Tell whether `pattern` (`ecs.CreateService`, `ecs.*`, `CreateService`) names the call."""
    service, dot, operation = pattern.rpartition(".")
    return (not dot or service == call.service) and operation in {"*", call.operation}


def shown(calls: Sequence[AwsCall], *, most: int = 60) -> str:
    """Return calls as lines for people, the last `most` of them."""
    lines = [f"  {call}" for call in calls[-most:]]
    left_out = len(calls) - len(lines)
    head = [f"  ... {left_out} earlier calls"] if left_out else []
    return "\n".join([*head, *lines]) or "  (none)"
