from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.settings import Settings


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/health"), ("GET", "/api/health/ready"), ("OPTIONS", "/api/users")],
)
def test_every_answer_carries_the_version(client: FlaskClient, method: str, path: str) -> None:
    answer = client.open(path, method=method)
    assert answer.headers["X-App-Version"] == "abc1234"
    assert answer.headers["Cache-Control"] == "no-store"


def test_another_origin_may_read_the_api_and_the_version(client: FlaskClient) -> None:
    answer = client.get("/api/users", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-App-Version" in answer.headers["Access-Control-Expose-Headers"]


def test_a_preflight_is_answered(client: FlaskClient) -> None:
    answer = client.options(
        "/api/users/seed-1",
        headers={"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"},
    )
    assert answer.status_code == 200
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_origins_can_be_narrowed() -> None:
    client = create_app(Settings(cors_origins=("https://a.example",))).test_client()
    allowed = client.get("/api/users", headers={"Origin": "https://a.example"})
    refused = client.get("/api/users", headers={"Origin": "https://b.example"})
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Access-Control-Allow-Origin" not in refused.headers
