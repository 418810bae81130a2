"""One JSON line a request, with an id that the client gets back too."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from time import perf_counter
from uuid import uuid4

from flask import Flask, Response, g, has_request_context, request

REQUEST_ID = re.compile(r"[A-Za-z0-9._:=-]{1,128}")
TRACE_HEADERS = ("X-Request-ID", "X-Amzn-Trace-Id")
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

log = logging.getLogger("app.request")


class JsonFormatter(logging.Formatter):
    """Writes a record and its extra fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat("T", "milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line.update({k: v for k, v in vars(record).items() if k not in STANDARD_FIELDS})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def install(app: Flask, *, version: str, level: str) -> None:
    """Log every request of `app` and mark every answer with its id and the version."""
    _configure(level)

    @app.before_request
    def begin() -> None:
        g.started = perf_counter()
        g.request_id = _request_id()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-App-Version"] = version
        response.headers["X-Request-ID"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        fields = {
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "duration_ms": round((perf_counter() - g.started) * 1000, 2),
            "version": version,
        }
        log.log(_level(request.path), "request_finished", extra=fields)
        return response


def _configure(level: str) -> None:
    logger = logging.getLogger("app")
    logger.setLevel(level)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logger.handlers = [handler]


def _request_id() -> str:
    for header in TRACE_HEADERS:
        given = request.headers.get(header, "")
        if REQUEST_ID.fullmatch(given):
            return given
    return uuid4().hex


def _level(path: str) -> int:
    # Probes arrive every few seconds for ever: they would bury the lines that people look for.
    return logging.DEBUG if path == "/api/health" else logging.INFO
