"""CloudWatch Logs operations on streams and events: AWS's wire shapes to the store.

Log groups are someone else's: see `LogGroups`. Source of limits and wording: CloudWatch
Logs API Reference.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Protocol, cast

from sandbox.aws.logs.pattern import compile_pattern
from sandbox.aws.logs.store import (
    END,
    OVERHEAD_BYTES,
    START,
    EventStore,
    Position,
    StoredEvent,
    Stream,
)
from sandbox.aws.ports import LogEvent
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError
from sandbox.types import JsonObject

MAX_BATCH_BYTES = 1_048_576
MAX_EVENTS = 10_000
MAX_STREAMS = 50
OLDEST = timedelta(days=14)
NEWEST = timedelta(hours=2)
LONGEST_BATCH_MS = 24 * 3600 * 1000
SCAN = 20_000
"""Events that one FilterLogEvents call looks at before it hands out a token."""


class LogGroups(Protocol):
    """Where log groups live."""

    def exists(self, region: str, group: str) -> bool:
        """Tell whether the log group exists; called at each write, so it must be quick."""

    def create(self, region: str, group: str) -> None:
        """Create the log group; an existing one is fine."""


class StreamOperations:
    """Handlers of the operations that are ours."""

    def __init__(self, store: EventStore, groups: LogGroups) -> None:
        self._store = store
        self._groups = groups

    def handlers(self) -> Mapping[str, Handler]:
        """Return operation names to handlers."""
        return {
            "CreateLogStream": self.create_log_stream,
            "DeleteLogStream": self.delete_log_stream,
            "DescribeLogStreams": self.describe_log_streams,
            "FilterLogEvents": self.filter_log_events,
            "GetLogEvents": self.get_log_events,
            "PutLogEvents": self.put_log_events,
        }

    def create_log_stream(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Create a stream."""
        group = self._group(context, params)
        name = str(params["logStreamName"])
        if not self._store.create_stream(context.region, group, name, _ms(context.now)):
            message = "The specified log stream already exists"
            raise AwsError("ResourceAlreadyExistsException", message)
        return {}

    def delete_log_stream(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Delete a stream and its events."""
        group = self._group(context, params)
        name = str(params["logStreamName"])
        if not self._store.delete_streams(context.region, group, name):
            raise _no_stream()
        return {}

    def describe_log_streams(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List streams by name or by last event; a page token is an offset."""
        group = self._group(context, params)
        prefix = str(params.get("logStreamNamePrefix", ""))
        by_time = params.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            message = "Cannot order by LastEventTime with a logStreamNamePrefix."
            raise AwsError("InvalidParameterException", message)
        streams = [s for s in self._store.streams(context.region, group) if _starts(s, prefix)]
        if by_time:
            streams.sort(key=lambda s: (s.last_ms or 0, s.name))
        if params.get("descending"):
            streams.reverse()
        start = _offset(params.get("nextToken"))
        end = start + int(str(params.get("limit", MAX_STREAMS)))
        page: dict[str, object] = {
            "logStreams": [_stream_shape(s, context, group) for s in streams[start:end]]
        }
        if end < len(streams):
            page["nextToken"] = str(end)
        return page

    def put_log_events(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Append a batch; events too old or too new are refused by index."""
        group = self._group(context, params)
        stream = self._stream(context.region, group, str(params["logStreamName"]))
        given = cast("Sequence[JsonObject]", params["logEvents"])
        events = [
            LogEvent(timestamp_ms=_int(e["timestamp"]), message=str(e["message"])) for e in given
        ]
        _check_batch(events)
        oldest = _ms(context.now - OLDEST)
        newest = _ms(context.now + NEWEST)
        kept = [e for e in events if oldest <= e.timestamp_ms <= newest]
        if kept:
            self._store.append(stream, kept, _ms(context.now))
        answer: dict[str, object] = {"nextSequenceToken": f"{_ms(context.now):056d}"}
        if len(kept) < len(events):
            answer["rejectedLogEventsInfo"] = _rejected(events, oldest, newest)
        return answer

    def get_log_events(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Read one stream by token, from its head or its tail."""
        group = self._group(context, params)
        stream = self._stream(context.region, group, str(params["logStreamName"]))
        token = str(params.get("nextToken", ""))
        direction, position = _parse_token(token) if token else ("", START)
        forward = direction == "f" or (not token and bool(params.get("startFromHead")))
        events = self._store.read(
            [stream],
            after=position if direction == "f" else START,
            before=position if direction == "b" else END,
            start_ms=_int(params.get("startTime", 0)),
            end_ms=_int(params.get("endTime", END.timestamp_ms)),
            backward=not forward,
            limit=_int(params.get("limit", MAX_EVENTS)),
        )
        # At the end of the stream the same token comes back.
        last = events[-1].position if events else position
        first = events[0].position if events else position
        return {
            "events": [
                {
                    "timestamp": e.position.timestamp_ms,
                    "message": e.message,
                    "ingestionTime": e.ingested_ms,
                }
                for e in events
            ],
            "nextForwardToken": f"f/{_event_id(last)}/s",
            "nextBackwardToken": f"b/{_event_id(first)}/s",
        }

    def filter_log_events(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Search the streams of a group, oldest event first."""
        group = self._group(context, params)
        streams = self._chosen(context.region, group, params)
        matches = compile_pattern(str(params.get("filterPattern", "")))
        token = str(params.get("nextToken", ""))
        limit = _int(params.get("limit", MAX_EVENTS))
        scanned = self._store.read(
            streams,
            after=_position(token) if token else START,
            start_ms=_int(params.get("startTime", 0)),
            # An event at endTime itself belongs to the answer, unlike in GetLogEvents.
            end_ms=_int(params.get("endTime", END.timestamp_ms - 1)) + 1,
            limit=SCAN,
        )
        found: list[StoredEvent] = []
        last: StoredEvent | None = None
        for event in scanned:
            if len(found) == limit:
                break
            last = event
            if matches(event.message):
                found.append(event)
        more = last is not None and (last is not scanned[-1] or len(scanned) == SCAN)
        answer: dict[str, object] = {
            "events": [_filtered_shape(e) for e in found],
            "searchedLogStreams": [],
        }
        if more and last is not None:
            answer["nextToken"] = _event_id(last.position)
        return answer

    def _chosen(self, region: str, group: str, params: JsonObject) -> Sequence[Stream]:
        names = cast("Sequence[str] | None", params.get("logStreamNames"))
        prefix = str(params.get("logStreamNamePrefix", ""))
        if names and prefix:
            message = "logStreamNames and logStreamNamePrefix cannot be used together."
            raise AwsError("InvalidParameterException", message)
        if names:
            return [self._stream(region, group, name) for name in names]
        return [s for s in self._store.streams(region, group) if _starts(s, prefix)]

    def _group(self, context: RequestContext, params: JsonObject) -> str:
        named = str(params.get("logGroupName") or params.get("logGroupIdentifier") or "")
        group = named.split(":")[6] if named.startswith("arn:") else named
        if not group:
            message = "Exactly one of logGroupName and logGroupIdentifier must be given."
            raise AwsError("InvalidParameterException", message)
        if not self._groups.exists(context.region, group):
            raise no_group()
        return group

    def _stream(self, region: str, group: str, name: str) -> Stream:
        stream = self._store.stream(region, group, name)
        if stream is None:
            raise _no_stream()
        return stream


def no_group() -> AwsError:
    """Build the answer for an unknown log group."""
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def _no_stream() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


def _check_batch(events: Sequence[LogEvent]) -> None:
    times = [event.timestamp_ms for event in events]
    size = sum(len(event.message.encode()) + OVERHEAD_BYTES for event in events)
    problem = ""
    if times != sorted(times):
        problem = "Log events in a single PutLogEvents request must be in chronological order."
    elif times[-1] - times[0] > LONGEST_BATCH_MS:
        problem = (
            "The batch of log events in a single PutLogEvents request "
            "cannot span more than 24 hours."
        )
    elif size > MAX_BATCH_BYTES:
        problem = f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}"
    if problem:
        raise AwsError("InvalidParameterException", problem)


def _rejected(events: Sequence[LogEvent], oldest: int, newest: int) -> JsonObject:
    info = {}
    too_old = len(list(takewhile(lambda e: e.timestamp_ms < oldest, events)))
    in_time = len(list(takewhile(lambda e: e.timestamp_ms <= newest, events)))
    if too_old:
        info["tooOldLogEventEndIndex"] = too_old
    if in_time < len(events):
        info["tooNewLogEventStartIndex"] = in_time
    return info


def _stream_shape(stream: Stream, context: RequestContext, group: str) -> JsonObject:
    shape: dict[str, object] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": f"arn:aws:logs:{context.region}:{context.account_id}:"
        f"log-group:{group}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS reports zero for every stream since June 2019
    }
    if stream.ingested_ms is not None:
        shape |= {
            "firstEventTimestamp": stream.first_ms,
            "lastEventTimestamp": stream.last_ms,
            "lastIngestionTime": stream.ingested_ms,
            "uploadSequenceToken": f"{stream.ingested_ms:056d}",
        }
    return shape


def _filtered_shape(event: StoredEvent) -> JsonObject:
    return {
        "logStreamName": event.stream,
        "timestamp": event.position.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": _event_id(event.position),
    }


def _event_id(position: Position) -> str:
    # AWS's ids are 56 digits too, and sort by time.
    return f"{max(position.timestamp_ms, 0):020d}{position.sequence:036d}"


def _position(event_id: str) -> Position:
    if len(event_id) != 56 or not event_id.isdigit():
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    return Position(timestamp_ms=int(event_id[:20]), sequence=int(event_id[20:]))


def _parse_token(token: str) -> tuple[str, Position]:
    direction, _, rest = token.partition("/")
    if direction not in {"f", "b"}:
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    return direction, _position(rest.partition("/")[0])


def _offset(token: object) -> int:
    text = str(token or "0")
    if not text.isdigit():
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    return int(text)


def _starts(stream: Stream, prefix: str) -> bool:
    return stream.name.startswith(prefix)


def _int(value: object) -> int:
    return int(str(value))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
