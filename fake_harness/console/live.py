"""Server-sent events for the pages: status changes by sequence, log lines by offset."""

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import Backend, backend, millis
from fake_harness.console.execution import node_streams, unit_name
from fake_harness.console.text import log_line, plain_log_line
from fake_harness.store import delegate_tasks, events, executions, logs, node_executions

blueprint = Blueprint("live", __name__)

_KEEPALIVE_S = 10.0
_STREAM_S = 1800.0
_GATHER_S = 0.1
"""Changes come in bursts: wait so long for more before reading again."""


@blueprint.get("/console/events")
@blueprint.get("/console/executions/<execution_id>/events")
def status_events(execution_id: str | None = None) -> ResponseReturnValue:
    """Tell of status changes after `Last-Event-ID` (or `after`), of one execution or of all."""
    begun = request.headers.get("Last-Event-ID") or request.args.get("after") or "0"
    return _answer(_status_events(backend(), execution_id, int(begun) if begun.isdigit() else 0))


@blueprint.get("/console/executions/<execution_id>/nodes/<node_id>/log")
def log_events(execution_id: str, node_id: str) -> ResponseReturnValue:
    """Follow a node's logs; `Last-Event-ID` (or `after`) holds one offset for each unit."""
    source = backend()
    with source.read() as connection:
        execution = executions.require_execution(connection, execution_id)
        node_executions.require_node(connection, node_id)
    begun = request.headers.get("Last-Event-ID") or request.args.get("after") or ""
    offsets = [int(part) for part in begun.split(",") if part.isdigit()]
    return _answer(_log_events(source, execution.account, node_id, offsets))


@blueprint.get("/console/executions/<execution_id>/nodes/<node_id>/log.txt")
def whole_log(execution_id: str, node_id: str) -> ResponseReturnValue:
    """Answer all logs of a node as plain text."""
    with backend().read() as connection:
        account = executions.require_execution(connection, execution_id).account
        node = node_executions.require_node(connection, node_id)
        parts: list[str] = []
        for stream in node_streams(connection, account, node):
            found = logs.read_lines(connection, account, stream.key, limit=1_000_000)
            if unit_name(stream.key):
                parts.append(f"=== {unit_name(stream.key)} ===")
            parts += [plain_log_line(line) for line in (found.lines if found else ())]
    return Response("\n".join([*parts, ""]), content_type="text/plain; charset=utf-8")


def _answer(frames: Iterator[str]) -> Response:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Response(frames, content_type="text/event-stream", headers=headers)


def _status_events(source: Backend, execution_id: str | None, seq: int) -> Iterator[str]:
    yield "retry: 1000\n\n"
    deadline = time.monotonic() + _STREAM_S
    while time.monotonic() < deadline:
        mark = source.changes.mark()
        with source.read() as connection:
            rows = events.since(connection, execution_id, seq)
        for row in rows:
            seq = row.seq
            body = {
                "planExecutionId": row.plan_execution_id,
                "nodeExecutionId": row.node_execution_id,
                "status": row.status.wire,
                "cause": row.cause,
                "at": millis(row.at),
            }
            yield f"id: {seq}\nevent: change\ndata: {json.dumps(body)}\n\n"
        yield from _pause(source, mark)


def _log_events(source: Backend, account: str, node_id: str, offsets: list[int]) -> Iterator[str]:
    yield "retry: 1000\n\n"
    deadline = time.monotonic() + _STREAM_S
    units = ""
    while time.monotonic() < deadline:
        mark = source.changes.mark()
        with source.read() as connection:
            node = node_executions.require_node(connection, node_id)
            streams = node_streams(connection, account, node)
            tasks = delegate_tasks.list_tasks_of_node(connection, node_id)
            fresh = [
                logs.read_lines(connection, account, stream.key, offset=offset)
                for stream, offset in zip(streams, _padded(offsets, len(streams)), strict=True)
            ]
        offsets = _padded(offsets, len(streams))
        for index, (stream, part) in enumerate(zip(streams, fresh, strict=True)):
            if part is None or (not part.lines and part.next_offset):
                continue
            offsets[index] = part.next_offset
            html = "".join(log_line(line).render() for line in part.lines)
            body = {"index": index, "unit": unit_name(stream.key), "html": html}
            if part.lines:
                sequence = ",".join(map(str, offsets))
                yield f"id: {sequence}\nevent: lines\ndata: {json.dumps(body)}\n\n"
        progress = json.dumps(tasks[-1].progress if tasks else {}, sort_keys=True)
        if progress != units:
            if units:
                yield "event: units\ndata: {}\n\n"
            units = progress
        if node.status.is_final and all(part is None or part.closed for part in fresh):
            yield "event: end\ndata: {}\n\n"
            return
        yield from _pause(source, mark)


def _padded(offsets: list[int], count: int) -> list[int]:
    return [*offsets[:count], *[0] * (count - len(offsets))]


def _pause(source: Backend, mark: int) -> Iterator[str]:
    """Wait for a change; a comment keeps the connection when there is none."""
    if source.changes.wait(mark, _KEEPALIVE_S) == mark:
        yield ": keepalive\n\n"
    else:
        time.sleep(_GATHER_S)
