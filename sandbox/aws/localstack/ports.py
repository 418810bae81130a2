"""What our own services ask of IAM, Secrets Manager, SSM and Logs, where LocalStack has them.

Each port asks the owner of the moment: LocalStack for what it takes, else the sandbox's own
part. So a task sees the same secret, role and log group as the person who made them.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from sandbox.aws.localstack.upstream import LocalStackUpstream
from sandbox.aws.moto_plane.local_client import Handle, LocalClient
from sandbox.aws.ports import LogEvent, LogSink, RolePlane
from sandbox.aws.wire import RequestContext, WireRequest, WireResponse, signing_scope
from sandbox.errors import AwsError
from sandbox.types import JsonObject

MAX_BATCH_EVENTS = 10_000
MAX_BATCH_BYTES = 1_048_576
MAX_BATCH_MS = 24 * 3600 * 1000
EVENT_OVERHEAD_BYTES = 26
"""Limits of PutLogEvents. Source: CloudWatch Logs API Reference."""

_IAM = "2010-05-08"


class OwnerClient:
    """Answers a call from inside the process by who owns the service."""

    def __init__(self, upstream: LocalStackUpstream, own: Handle) -> None:
        self._upstream = upstream
        self._own = own

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Answer one request."""
        scope = signing_scope(request)
        if self._upstream.takes(scope.service if scope else ""):
            return self._upstream.handle(context, request)
        return self._own(context, request)


class OwnerRoles:
    """IAM as ECS asks it."""

    def __init__(self, upstream: LocalStackUpstream, own: RolePlane, client: LocalClient) -> None:
        self._upstream = upstream
        self._own = own
        self._client = client

    def role_exists(self, role_arn: str) -> bool:
        """Tell whether the role exists in this account."""
        if not self._upstream.takes("iam"):
            return self._own.role_exists(role_arn)
        name = role_arn.rpartition("/")[2]
        try:
            answer = self._client.query("iam", _IAM, "GetRole", "us-east-1", {"RoleName": name})
        except AwsError as error:
            if error.code in {"NoSuchEntity", "ValidationError"}:
                return False
            raise
        return answer.findtext(".//Role/Arn") == role_arn


class OwnerLogs:
    """The log sink of tasks."""

    def __init__(self, upstream: LocalStackUpstream, own: LogSink, client: LocalClient) -> None:
        self._upstream = upstream
        self._own = own
        self._theirs = LocalStackLogSink(client)

    def group_exists(self, region: str, group: str) -> bool:
        """Tell whether the log group exists."""
        return self._sink().group_exists(region, group)

    def create_group(self, region: str, group: str) -> None:
        """Create the group; existing is fine."""
        self._sink().create_group(region, group)

    def offset(self, region: str, group: str, stream: str) -> int:
        """Return the cursor of the last put into the stream, 0 where none is known."""
        return self._sink().offset(region, group, stream)

    def put(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[LogEvent],
        *,
        cursor: int = 0,
    ) -> None:
        """Append events, creating the stream when it is missing."""
        self._sink().put(region, group, stream, events, cursor=cursor)

    def _sink(self) -> LogSink:
        return self._theirs if self._upstream.takes("logs") else self._own


class LocalStackLogSink:
    """A `LogSink` over the Logs API; durable as far as that LocalStack is."""

    def __init__(self, client: LocalClient) -> None:
        self._client = client

    def group_exists(self, region: str, group: str) -> bool:
        """Tell whether the log group exists."""
        params: JsonObject = {"logGroupNamePrefix": group}
        while True:
            page = self._call("DescribeLogGroups", region, params)
            found = cast("Sequence[JsonObject]", page.get("logGroups", ()))
            if any(row["logGroupName"] == group for row in found):
                return True
            if not page.get("nextToken"):
                return False
            params = {"logGroupNamePrefix": group, "nextToken": page["nextToken"]}

    def create_group(self, region: str, group: str) -> None:
        """Create the group; existing is fine."""
        self._create("CreateLogGroup", region, {"logGroupName": group})

    def offset(self, region: str, group: str, stream: str) -> int:  # noqa: ARG002
        """Return 0: the Logs API keeps no cursor, so a crash may repeat a page."""
        return 0

    def put(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[LogEvent],
        *,
        cursor: int = 0,  # noqa: ARG002 - see `offset`
    ) -> None:
        """Append events, creating the stream when it is missing.

        Raises:
            AwsError: ResourceNotFoundException when the group does not exist.

        """
        for batch in batches(events):
            rows = [{"timestamp": e.timestamp_ms, "message": e.message} for e in batch]
            place: dict[str, object] = {"logGroupName": group, "logStreamName": stream}
            try:
                self._call("PutLogEvents", region, {**place, "logEvents": rows})
            except AwsError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                self._create("CreateLogStream", region, place)
                self._call("PutLogEvents", region, {**place, "logEvents": rows})

    def _create(self, operation: str, region: str, params: JsonObject) -> None:
        try:
            self._call(operation, region, params)
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise

    def _call(self, operation: str, region: str, params: JsonObject) -> JsonObject:
        return self._client.json("logs", f"Logs_20140328.{operation}", region, params)


def batches(events: Sequence[LogEvent]) -> Iterator[Sequence[LogEvent]]:
    """Cut events into what PutLogEvents takes: in order of time, within its limits.

    An empty message is left out: the API refuses it.
    """
    batch: list[LogEvent] = []
    size = 0
    for event in sorted((e for e in events if e.message), key=lambda e: e.timestamp_ms):
        weight = len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if batch and (
            len(batch) == MAX_BATCH_EVENTS
            or size + weight > MAX_BATCH_BYTES
            or event.timestamp_ms - batch[0].timestamp_ms > MAX_BATCH_MS
        ):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += weight
    if batch:
        yield batch
