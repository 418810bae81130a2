"""What tasks ask of a LocalStack: roles and log groups, through its API."""

import json
from urllib.parse import parse_qs

import pytest

from sandbox.aws.localstack.health import LocalStackHealth
from sandbox.aws.localstack.ports import MAX_BATCH_EVENTS, LocalStackLogSink, OwnerRoles, batches
from sandbox.aws.localstack.upstream import LocalStackUpstream
from sandbox.aws.moto_plane.local_client import LocalClient
from sandbox.aws.ports import LogEvent
from sandbox.aws.wire import RequestContext, WireRequest, WireResponse
from sandbox.errors import AwsError

ROLE = "arn:aws:iam::000000000000:role/path/web"


class LogsDouble:
    """The Logs API with one group; streams must be created before events are put."""

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = {}

    def handle(self, _context: RequestContext, request: WireRequest) -> WireResponse:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        params = json.loads(request.body)
        if operation == "DescribeLogGroups":
            second = {"logGroups": [{"logGroupName": "/app"}]}
            first = {"logGroups": [{"logGroupName": "/app/other"}], "nextToken": "2"}
            return _json(200, second if params.get("nextToken") else first)
        if params["logGroupName"] != "/app":
            return _json(400, {"__type": "ResourceNotFoundException", "message": "no group"})
        stream = params["logStreamName"]
        if operation == "CreateLogStream":
            self.streams[stream] = []
            return _json(200, {})
        if stream not in self.streams:
            return _json(400, {"__type": "ResourceNotFoundException", "message": "no stream"})
        self.streams[stream] += [event["message"] for event in params["logEvents"]]
        return _json(200, {})


def _json(status: int, body: object) -> WireResponse:
    return WireResponse(status=status, headers={}, body=json.dumps(body).encode())


def event(timestamp_ms: int, message: str = "x") -> LogEvent:
    return LogEvent(timestamp_ms=timestamp_ms, message=message)


@pytest.fixture
def logs() -> LogsDouble:
    return LogsDouble()


@pytest.fixture
def sink(logs: LogsDouble) -> LocalStackLogSink:
    return LocalStackLogSink(LocalClient(logs.handle, "000000000000"))


def test_group_is_found_on_any_page_by_its_whole_name(sink: LocalStackLogSink) -> None:
    assert sink.group_exists("us-east-1", "/app")
    assert not sink.group_exists("us-east-1", "/ap")


def test_missing_stream_is_made_and_nothing_is_lost(
    sink: LocalStackLogSink, logs: LogsDouble
) -> None:
    sink.put("us-east-1", "/app", "web/1", [event(2, "second"), event(1, "first"), event(3, "")])
    sink.put("us-east-1", "/app", "web/1", [event(4, "third")])
    assert logs.streams == {"web/1": ["first", "second", "third"]}


def test_missing_group_is_said(sink: LocalStackLogSink) -> None:
    with pytest.raises(AwsError) as refused:
        sink.put("us-east-1", "/gone", "web/1", [event(1)])
    assert refused.value.code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("events", "sizes"),
    [
        ([], []),
        ([event(0)] * (MAX_BATCH_EVENTS + 1), [MAX_BATCH_EVENTS, 1]),
        ([event(0, "x" * 600_000)] * 2, [1, 1]),
        ([event(0), event(24 * 3600 * 1000 + 1)], [1, 1]),
    ],
    ids=["none", "count", "bytes", "span"],
)
def test_batches_stay_within_the_apis_limits(events: list[LogEvent], sizes: list[int]) -> None:
    assert [len(batch) for batch in batches(events)] == sizes


class NoRoles:
    def role_exists(self, role_arn: str) -> bool:
        raise AssertionError(f"{role_arn} must be asked of LocalStack")


@pytest.mark.parametrize(
    ("status", "body", "exists"),
    [
        (
            200,
            f'<R xmlns="u"><GetRoleResult><Role><Arn>{ROLE}</Arn></Role></GetRoleResult></R>',
            True,
        ),
        (200, "<R><GetRoleResult><Role><Arn>arn:other</Arn></Role></GetRoleResult></R>", False),
        (404, "<E><Error><Code>NoSuchEntity</Code><Message>no</Message></Error></E>", False),
    ],
    ids=["there", "another-path", "unknown"],
)
def test_role_is_asked_of_localstacks_iam(status: int, body: str, *, exists: bool) -> None:
    def handle(_context: RequestContext, request: WireRequest) -> WireResponse:
        form = parse_qs(request.body.decode())
        assert (form["Action"], form["RoleName"]) == (["GetRole"], ["web"])
        return WireResponse(status=status, headers={}, body=body.encode())

    def ask(_url: str) -> LocalStackHealth:
        return LocalStackHealth(version="4", edition="community", services={"iam": "running"})

    upstream = LocalStackUpstream("http://127.0.0.1:1", "000000000000", ask=ask)
    roles = OwnerRoles(upstream, NoRoles(), LocalClient(handle, "000000000000"))
    assert roles.role_exists(ROLE) is exists
