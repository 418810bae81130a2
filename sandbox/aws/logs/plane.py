"""CloudWatch Logs: streams and events of ours in front of a control plane for the rest."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.aws.logs.operations import LogGroups, StreamOperations, no_group
from sandbox.aws.logs.store import EventStore
from sandbox.aws.ports import LogEvent
from sandbox.aws.wire import AwsService, RequestContext, WireRequest, WireResponse
from sandbox.clock import Now, utc_now

Forward = Callable[[RequestContext, WireRequest], WireResponse]


class LogsPlane:
    """`service` answers the API, `sink` takes what tasks write."""

    def __init__(
        self, path: Path, groups: LogGroups, forward: Forward, *, now: Now = utc_now
    ) -> None:
        """Keep events in the file at `path`.

        Args:
            path: the SQLite file.
            groups: where log groups live.
            forward: answers operations on groups, retention, tags and metric filters.
            now: the clock.

        """
        store = EventStore(path)
        self.service: AwsService = LogsService(store, groups, forward)
        self.sink = StoreSink(store, groups, now)


class LogsService(AwsService):
    """Answers for streams and events; passes the rest on and keeps step with it."""

    def __init__(self, store: EventStore, groups: LogGroups, forward: Forward) -> None:
        operations = StreamOperations(store, groups).handlers()
        super().__init__("logs", operations, invalid_parameter_code="InvalidParameterException")
        self._store = store
        self._forward = forward

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Answer one request."""
        name = self.operation_name(request)
        if name in self.operations:
            return super().handle(context, request)
        answer = self._forward(context, request)
        if answer.status == 200 and name == "DeleteLogGroup":
            group = json.loads(request.body)["logGroupName"]
            self._store.delete_streams(context.region, group)
        if answer.status == 200 and name == "DescribeLogGroups":
            return self._with_sizes(context.region, answer)
        return answer

    def _with_sizes(self, region: str, answer: WireResponse) -> WireResponse:
        page: Any = json.loads(answer.body)
        for group in page.get("logGroups", []):
            group["storedBytes"] = self._store.size_bytes(region, group["logGroupName"])
        return replace(answer, body=json.dumps(page).encode())


class StoreSink:
    """The `LogSink` of tasks: no limits of age or batch apply to it."""

    def __init__(self, store: EventStore, groups: LogGroups, now: Now) -> None:
        self._store = store
        self._groups = groups
        self._now = now

    def group_exists(self, region: str, group: str) -> bool:
        """Tell whether the log group exists."""
        return self._groups.exists(region, group)

    def create_group(self, region: str, group: str) -> None:
        """Create the group; existing is fine."""
        self._groups.create(region, group)

    def offset(self, region: str, group: str, stream: str) -> int:
        """Return the cursor of the last put into the stream, 0 where none is known."""
        known = self._store.stream(region, group, stream)
        return 0 if known is None else known.cursor

    def put(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[LogEvent],
        *,
        cursor: int = 0,
    ) -> None:
        """Append events durably, once, creating the stream when it is missing."""
        if not self._groups.exists(region, group):
            raise no_group()
        if not events:
            return
        now_ms = int(self._now().timestamp() * 1000)
        known = self._store.stream(region, group, stream)
        if known is None:
            self._store.create_stream(region, group, stream, now_ms)
            known = self._store.stream(region, group, stream)
        if known is not None:
            self._store.append(known, events, now_ms, cursor=cursor)
