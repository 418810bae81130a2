from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.repository import InMemoryUserRepository
from app.settings import Settings


@pytest.mark.parametrize(
    ("method", "path", "data", "content_type", "status", "code"),
    [
        ("GET", "/nothing", None, None, 404, "not_found"),
        ("GET", "/api/nothing", None, None, 404, "not_found"),
        ("POST", "/api/health", None, None, 405, "method_not_allowed"),
        ("POST", "/api/users", "{", "application/json", 400, "bad_request"),
        ("POST", "/api/users", "[]", "application/json", 400, "bad_request"),
        ("POST", "/api/users", "x=1", "text/plain", 415, "unsupported_media_type"),
        ("POST", "/api/users", "x" * 20_000, "application/json", 413, None),
    ],
)
def test_every_error_is_json_with_code_version_and_request_id(
    client: FlaskClient,
    method: str,
    path: str,
    data: str | None,
    content_type: str | None,
    status: int,
    code: str | None,
) -> None:
    answer = client.open(path, method=method, data=data, content_type=content_type)
    assert answer.status_code == status
    error = answer.get_json()["error"]
    assert error["message"]
    assert code is None or error["code"] == code
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["X-App-Version"] == "abc1234"


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    assert "GET" in client.delete("/api/health").headers["Allow"]


class BrokenRepository(InMemoryUserRepository):
    def list_users(self) -> tuple[()]:
        message = "a detail that clients must not see"
        raise RuntimeError(message)


def test_a_fault_of_ours_is_500_without_details(capsys: pytest.CaptureFixture[str]) -> None:
    client = create_app(Settings(version="abc1234"), BrokenRepository(capacity=1)).test_client()
    answer = client.get("/api/users")
    assert answer.status_code == 500
    assert answer.get_json()["error"]["code"] == "internal_server_error"
    assert "detail" not in answer.text
    assert answer.headers["X-App-Version"] == "abc1234"
    assert "a detail that clients must not see" in capsys.readouterr().out
