"""CloudWatch Logs against the running endpoint, by boto3 and by the aws command."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from gateway_server import GatewayServer
from patience import PATIENCE_S


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path_factory.mktemp("logs"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def logs(server: GatewayServer) -> Any:
    return server.client("logs")


@pytest.fixture
def group(logs: Any, request: pytest.FixtureRequest) -> str:
    name = f"/ecs/{request.node.name}"
    logs.create_log_group(logGroupName=name)
    return name


def now_ms() -> int:
    return int(time.time() * 1000)


def put(logs: Any, group: str, stream: str, *messages: str, start: int | None = None) -> None:
    first = start or now_ms()
    events = [{"timestamp": first + i, "message": m} for i, m in enumerate(messages)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def messages(answer: Any) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_events_come_back_in_order_and_forward_token_resumes(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    put(logs, group, "s", "a", "b", "c")
    where = {"logGroupName": group, "logStreamName": "s"}
    head = logs.get_log_events(**where, startFromHead=True, limit=2)
    assert messages(head) == ["a", "b"]
    rest = logs.get_log_events(**where, nextToken=head["nextForwardToken"])
    assert messages(rest) == ["c"]
    end = logs.get_log_events(**where, nextToken=rest["nextForwardToken"])
    assert messages(end) == []
    assert end["nextForwardToken"] == rest["nextForwardToken"]
    put(logs, group, "s", "d")
    more = logs.get_log_events(**where, nextToken=end["nextForwardToken"])
    assert messages(more) == ["d"]


def test_tail_of_a_stream_is_read_first_and_backward_token_goes_back(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    put(logs, group, "s", "a", "b", "c")
    where = {"logGroupName": group, "logStreamName": "s"}
    tail = logs.get_log_events(**where, limit=2)
    assert messages(tail) == ["b", "c"]
    before = logs.get_log_events(**where, nextToken=tail["nextBackwardToken"])
    assert messages(before) == ["a"]


def test_filter_merges_streams_by_time_and_pages(logs: Any, group: str) -> None:
    start = now_ms()
    for stream, offset in (("one", 0), ("two", 1)):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [
            {"timestamp": start + offset + 2 * i, "message": f"{stream} {i}"} for i in range(5)
        ]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 3}
    )
    expected = [f"{stream} {i}" for i in range(5) for stream in ("one", "two")]
    assert [m for page in pages for m in messages(page)] == expected


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("ERROR", ["ERROR disk full", 'x "ERROR" y']),
        ('"disk full"', ["ERROR disk full"]),
        ("ERROR -disk", ['x "ERROR" y']),
        ("?disk ?hello", ["ERROR disk full", "hello"]),
        ('{ $.level = "error" }', ['{"level": "error", "status": 500}']),
        (
            "{ $.status >= 500 || $.level = inf* }",
            ['{"level": "error", "status": 500}', '{"level": "info"}'],
        ),
        ("{ $.status NOT EXISTS && $.level = * }", ['{"level": "info"}']),
    ],
)
def test_filter_pattern_selects(logs: Any, group: str, pattern: str, found: list[str]) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    lines = [
        "ERROR disk full",
        "hello",
        'x "ERROR" y',
        '{"level": "error", "status": 500}',
        '{"level": "info"}',
    ]
    put(logs, group, "s", *lines)
    assert messages(logs.filter_log_events(logGroupName=group, filterPattern=pattern)) == found


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (
            lambda c, g: c.create_log_stream(logGroupName="/none", logStreamName="s"),
            "ResourceNotFoundException",
        ),
        (
            lambda c, g: c.get_log_events(logGroupName=g, logStreamName="none"),
            "ResourceNotFoundException",
        ),
        (
            lambda c, g: c.filter_log_events(logGroupName=g, filterPattern="{ $.a"),
            "InvalidParameterException",
        ),
        (
            lambda c, g: c.filter_log_events(logGroupName=g, nextToken="x"),
            "InvalidParameterException",
        ),
        (
            lambda c, g: c.filter_log_events(logGroupName=g, filterPattern="[a, b]"),
            "NotImplemented",
        ),
    ],
)
def test_bad_request_is_refused_as_aws_does(logs: Any, group: str, call: Any, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        call(logs, group)
    assert caught.value.response["Error"]["Code"] == code


def test_unordered_batch_is_refused_and_old_events_are_named(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    where = {"logGroupName": group, "logStreamName": "s"}
    unordered = [
        {"timestamp": now_ms(), "message": "a"},
        {"timestamp": now_ms() - 5000, "message": "b"},
    ]
    with pytest.raises(ClientError, match="chronological order"):
        logs.put_log_events(**where, logEvents=unordered)
    old = now_ms() - 15 * 24 * 3600 * 1000
    answer = logs.put_log_events(**where, logEvents=[{"timestamp": old, "message": "a"}])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert messages(logs.get_log_events(**where)) == []


def test_streams_are_described_by_name_and_by_last_event(logs: Any, group: str) -> None:
    for name in ("a", "b", "c"):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
    put(logs, group, "b", "x", start=now_ms() - 10_000)
    put(logs, group, "a", "y")
    by_name = logs.describe_log_streams(logGroupName=group, limit=2)
    assert [s["logStreamName"] for s in by_name["logStreams"]] == ["a", "b"]
    rest = logs.describe_log_streams(logGroupName=group, nextToken=by_name["nextToken"])
    assert [s["logStreamName"] for s in rest["logStreams"]] == ["c"]
    recent = logs.describe_log_streams(
        logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
    )
    assert recent["logStreams"][0]["logStreamName"] == "a"


def test_deleting_a_group_deletes_its_events(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    put(logs, group, "s", "old")
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group)
    assert logs.describe_log_streams(logGroupName=group)["logStreams"] == []


def test_group_control_plane_is_there_for_terraform(logs: Any, group: str) -> None:
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    logs.put_metric_filter(
        logGroupName=group,
        filterName="errors",
        filterPattern="ERROR",
        metricTransformations=[
            {"metricName": "Errors", "metricNamespace": "App", "metricValue": "1"}
        ],
    )
    described = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]
    assert described["retentionInDays"] == 7
    filters = logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert [f["filterName"] for f in filters] == ["errors"]


def test_following_a_group_shows_lines_as_they_are_written(
    server: GatewayServer, logs: Any, group: str
) -> None:
    """Polls as `aws logs tail --follow` of the command's version 2 does."""
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    wanted = [f"line {i}" for i in range(20)]
    writer = threading.Thread(target=lambda: [put(logs, group, "s", line) for line in wanted])
    writer.start()
    seen: dict[str, str] = {}
    start = now_ms() - 60_000
    deadline = time.monotonic() + PATIENCE_S
    while len(seen) < len(wanted) and time.monotonic() < deadline:
        answer = server.client("logs").filter_log_events(
            logGroupName=group, startTime=start, interleaved=True
        )
        seen |= {event["eventId"]: event["message"] for event in answer["events"]}
        start = max([start, *(event["timestamp"] for event in answer["events"])])
    writer.join()
    assert list(seen.values()) == wanted


def test_aws_command_filters_events(server: GatewayServer, logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    put(logs, group, "s", "from the command")
    aws = shutil.which("aws", path=str(Path(sys.executable).parent)) or "aws"
    command = [aws, "logs", "filter-log-events", "--log-group-name", group]
    done = subprocess.run(
        command, env=server.environment, capture_output=True, text=True, check=True
    )
    assert messages(json.loads(done.stdout)) == ["from the command"]
