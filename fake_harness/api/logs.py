"""The log service: readers (blob, SSE) and the writer side that delegates use.

Source: log-service routes and line format of lite-engine and Harness's command line.
"""

import time
from collections.abc import Iterator

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import Backend, backend, now, request_scope
from fake_harness.errors import HarnessError
from fake_harness.store import logs

blueprint = Blueprint("logs", __name__, url_prefix="/log-service")

_GATHER_S = 0.1
"""Lines come in bursts: wait so long for more before reading again."""
_KEEPALIVE_S = 15.0
_STREAM_S = 3600.0


@blueprint.get("/blob")
def blob() -> ResponseReturnValue:
    """Answer a log as NDJSON; `offset` (lines) goes on from there."""
    offset = _offset("0")
    with backend().read() as connection:
        found = logs.read_lines(
            connection, request_scope().account, _key(), offset=offset, limit=1_000_000
        )
    if found is None:
        return jsonify(error_msg=f"no log with key {_key()}"), 404
    answer = Response("".join(f"{line}\n" for line in found.lines), content_type="text/plain")
    answer.headers["X-Log-Offset"] = str(found.next_offset)
    answer.headers["X-Log-Closed"] = str(found.closed).lower()
    return answer


@blueprint.get("/stream")
def stream() -> ResponseReturnValue:
    """Follow a log as server-sent events; `Last-Event-ID` resumes."""
    begun = request.headers.get("Last-Event-ID") or request.args.get("offset") or "0"
    account, key = request_scope().account, _key()
    events = _events(backend(), account, key, int(begun) if begun.isdigit() else 0)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Response(events, content_type="text/event-stream", headers=headers)


@blueprint.put("/stream")
def append() -> ResponseReturnValue:
    """Append NDJSON lines at `offset`; answers how many lines are accepted now."""
    offset = _offset("")
    lines = [line for line in request.get_data(as_text=True).split("\n") if line]
    with backend().write() as connection:
        accepted = logs.append_lines(
            connection, request_scope().account, _key(), lines=lines, offset=offset, now=now()
        )
    return jsonify(lines=accepted)


@blueprint.post("/stream")
def open_() -> ResponseReturnValue:
    """Open a log."""
    with backend().write() as connection:
        logs.open_stream(connection, request_scope().account, _key(), now=now())
    return "", 204


@blueprint.delete("/stream")
def close() -> ResponseReturnValue:
    """Note that a log is complete."""
    with backend().write() as connection:
        logs.close_stream(connection, request_scope().account, _key(), now=now())
    return "", 204


def _events(source: Backend, account: str, key: str, offset: int) -> Iterator[str]:
    deadline = time.monotonic() + _STREAM_S
    silent_since = time.monotonic()
    while time.monotonic() < deadline:
        mark = source.changes.mark()
        with source.read() as connection:
            found = logs.read_lines(connection, account, key, offset=offset)
        for line in found.lines if found else ():
            offset += 1
            yield f"id: {offset}\ndata: {line}\n\n"
            silent_since = time.monotonic()
        if found is not None and found.closed:
            break
        if time.monotonic() - silent_since > _KEEPALIVE_S:
            yield ": keepalive\n\n"
            silent_since = time.monotonic()
        if source.changes.wait(mark, _KEEPALIVE_S) != mark:
            time.sleep(_GATHER_S)
    yield "event: error\ndata: eof\n\n"


def _key() -> str:
    key = request.args.get("key", "")
    if not key:
        raise HarnessError("INVALID_REQUEST", "key: must not be empty")
    return key


def _offset(default: str) -> int:
    text = request.args.get("offset") or default
    if not text.isdigit():
        raise HarnessError("INVALID_REQUEST", "offset: must be a whole number of lines")
    return int(text)
