from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.readiness import (
    Check,
    CheckFailedError,
    Readiness,
    default_checks,
    store_has_room,
)
from app.release import RELEASE_NAME
from app.repository import InMemoryUserRepository
from app.settings import Settings


def fail() -> None:
    message = "the disk is full"
    raise CheckFailedError(message)


def explode() -> None:
    message = "a detail that clients must not see"
    raise ConnectionError(message)


def test_health_says_which_release_answers(client: FlaskClient) -> None:
    body = client.get("/api/health").get_json()
    assert body["status"] == "ok"
    assert body["version"] == "abc1234"
    assert body["release"] == RELEASE_NAME
    assert body["environment"] == "dev"
    assert body["uptime_s"] >= 0


def test_two_tasks_are_told_apart_by_instance() -> None:
    first, second = (
        create_app(Settings()).test_client().get("/api/health").get_json()["instance"]
        for _ in range(2)
    )
    assert first != second


def test_a_healthy_service_is_ready(client: FlaskClient) -> None:
    answer = client.get("/api/health/ready")
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "ready"
    assert {check["status"] for check in answer.get_json()["checks"]} == {"pass"}


def test_a_failed_check_answers_503_with_its_reason_and_the_rest_still_run() -> None:
    checks = (Check(name="disk", run=fail), Check(name="clock", run=lambda: None))
    client = create_app(Settings(), readiness=Readiness(checks)).test_client()
    answer = client.get("/api/health/ready")
    assert answer.status_code == 503
    body = answer.get_json()
    assert body["status"] == "not_ready"
    assert [(check["name"], check["status"]) for check in body["checks"]] == [
        ("disk", "fail"),
        ("clock", "pass"),
    ]
    assert body["checks"][0]["reason"] == "the disk is full"


def test_a_check_that_errs_fails_without_showing_its_message() -> None:
    (result,) = Readiness((Check(name="database", run=explode),)).run()
    assert not result.passed
    assert result.reason == "ConnectionError while checking"


def test_a_failed_check_leaves_the_service_alive() -> None:
    readiness = Readiness((Check(name="disk", run=fail),))
    client = create_app(Settings(), readiness=readiness).test_client()
    assert client.get("/api/health").status_code == 200


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_room_is_judged_by_what_the_environment_requires(environment: str) -> None:
    repository = InMemoryUserRepository(capacity=50)
    store_has_room(repository, environment, {environment: 50})
    with pytest.raises(CheckFailedError, match=f"50 free places; {environment} requires 51"):
        store_has_room(repository, environment, {environment: 51})


def test_a_full_store_is_not_ready() -> None:
    results = Readiness(default_checks("dev", InMemoryUserRepository(capacity=1))).run()
    assert [result.name for result in results if not result.passed] == ["user_store_has_room"]
