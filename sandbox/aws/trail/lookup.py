"""LookupEvents of CloudTrail; every other operation is passed on.

Not kept: the limit of two lookups a second, which would only make scripts slower here.
Source: CloudTrail API Reference, LookupEvents. Unverified: the words of the messages.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import cast

from sandbox.aws.trail.store import Event, Query, TrailStore
from sandbox.aws.wire import AwsService, RequestContext, WireRequest, WireResponse
from sandbox.errors import AwsError
from sandbox.types import JsonObject

Forward = Callable[[RequestContext, WireRequest], WireResponse]

MOST_RESULTS = 50
_KEYS = {"EventId", "EventName", "ReadOnly", "Username"} | {
    *("ResourceType", "ResourceName", "EventSource", "AccessKeyId")
}


class PartService(AwsService):
    """A service of which some operations are ours; the rest is passed on."""

    def __init__(
        self,
        name: str,
        operations: Mapping[str, Callable[[RequestContext, JsonObject], JsonObject]],
        forward: Forward,
    ) -> None:
        super().__init__(name, operations)
        self._forward = forward

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Answer one request."""
        if self.operation_name(request) in self.operations:
            return super().handle(context, request)
        return self._forward(context, request)


class EventHistory:
    """The event history of one account."""

    def __init__(self, store: TrailStore, flush: Callable[[], None]) -> None:
        self._store = store
        self._flush = flush

    def lookup_events(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Answer one page, newest first."""
        query = _query(context, params)
        self._flush()
        found = self._store.lookup(query)
        rows = found[: query.limit - 1]
        answer: dict[str, object] = {"Events": [_row(event) for _, event in rows]}
        if len(found) == query.limit:
            number, last = rows[-1]
            answer["NextToken"] = _token(params, last.time.timestamp(), number)
        return answer


def _query(context: RequestContext, params: JsonObject) -> Query:
    category = params.get("EventCategory")
    if category == "insight":
        raise AwsError(
            "InvalidEventCategoryException", "No trail of this account has Insights events."
        )
    if category is not None:
        message = f"Invalid event category {category!r}: it may be insight."
        raise AwsError("InvalidEventCategoryException", message)
    attribute, value = _attribute(params)
    start, end = _moment(params, "StartTime"), _moment(params, "EndTime")
    if start and end and start > end:
        message = "Invalid time range: the start time must be before the end time."
        raise AwsError("InvalidTimeRangeException", message)
    limit = int(str(params.get("MaxResults", MOST_RESULTS)))
    if not 1 <= limit <= MOST_RESULTS:
        message = f"Invalid max results: {limit} is not between 1 and {MOST_RESULTS}."
        raise AwsError("InvalidMaxResultsException", message)
    token = params.get("NextToken")
    return Query(
        region=context.region,
        attribute=attribute,
        value=value,
        start=start,
        end=end,
        before=_position(params, str(token)) if token else None,
        limit=limit + 1,  # one more tells whether there is a next page
    )


def _attribute(params: JsonObject) -> tuple[str, str]:
    attributes = cast("list[Mapping[str, str]]", params.get("LookupAttributes") or [])
    if len(attributes) > 1:
        message = "You can only specify one lookup attribute."
        raise AwsError("InvalidLookupAttributesException", message)
    if not attributes:
        return "", ""
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if key not in _KEYS:
        message = f"Invalid lookup attribute {key!r}."
        raise AwsError("InvalidLookupAttributesException", message)
    if key == "ReadOnly" and value not in {"true", "false"}:
        message = "The value of the lookup attribute ReadOnly must be true or false."
        raise AwsError("InvalidLookupAttributesException", message)
    return key, value


def _moment(params: JsonObject, name: str) -> datetime | None:
    value = params.get(name)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _row(event: Event) -> JsonObject:
    return {
        "EventId": event.event_id,
        "EventName": event.name,
        "ReadOnly": "true" if event.read_only else "false",
        "AccessKeyId": event.access_key_id,
        "EventTime": event.time,
        "EventSource": event.source,
        "Username": event.username,
        "Resources": [
            {"ResourceType": kind, "ResourceName": name} for kind, name in event.resources
        ],
        "CloudTrailEvent": json.dumps(event.record, separators=(",", ":")),
    }


def _token(params: JsonObject, time: float, number: int) -> str:
    text = json.dumps([_fingerprint(params), time, number])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _position(params: JsonObject, token: str) -> tuple[float, int]:
    """Read a token, which is good for the same parameters only."""
    try:
        fingerprint, time, number = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError) as error:
        raise AwsError("InvalidNextTokenException", "Invalid token.") from error
    if fingerprint != _fingerprint(params):
        message = "The token was made for other parameters: pass those of the first call."
        raise AwsError("InvalidNextTokenException", message)
    return float(time), int(number)


def _fingerprint(params: JsonObject) -> str:
    same = {k: v for k, v in sorted(params.items()) if k not in {"NextToken", "MaxResults"}}
    return hashlib.sha256(json.dumps(same, default=str).encode()).hexdigest()[:16]
