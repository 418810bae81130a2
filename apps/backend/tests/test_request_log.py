from __future__ import annotations

import json
import logging

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.request_log import JsonFormatter
from app.settings import Settings


def test_a_request_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    client = create_app(Settings(version="abc1234")).test_client()
    client.get("/api/users", headers={"X-Request-ID": "trace-1"})
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["event"] == "request_finished"
    assert record["level"] == "INFO"
    assert record["request_id"] == "trace-1"
    assert (record["method"], record["path"], record["status"]) == ("GET", "/api/users", 200)
    assert record["duration_ms"] >= 0
    assert record["version"] == "abc1234"


def test_probes_are_logged_only_when_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    create_app(Settings()).test_client().get("/api/health")
    assert capsys.readouterr().out == ""
    create_app(Settings(log_level="DEBUG")).test_client().get("/api/health")
    assert json.loads(capsys.readouterr().out)["path"] == "/api/health"


@pytest.mark.parametrize(
    ("header", "value", "kept"),
    [
        ("X-Request-ID", "abc-123", True),
        ("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678", True),
        ("X-Request-ID", "<script>", False),
        ("X-Request-ID", "x" * 200, False),
    ],
)
def test_a_request_id_is_kept_only_when_it_is_harmless(
    client: FlaskClient, header: str, value: str, kept: bool
) -> None:
    given = client.get("/api/health", headers={header: value}).headers["X-Request-ID"]
    assert (given == value) is kept
    assert given


def test_an_exception_is_part_of_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", None, info)
    line = json.loads(JsonFormatter().format(record))
    assert "ValueError: broken" in line["exception"]
