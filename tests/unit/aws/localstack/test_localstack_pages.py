"""`/_localstack/...` without a LocalStack: real figures in its shape."""

import json
from typing import Any

import pytest
from werkzeug.test import Client

from sandbox.aws.localstack.health import LocalStackHealth
from sandbox.aws.localstack.pages import LocalStackPages
from sandbox.aws.localstack.upstream import LocalStackUpstream
from sandbox.aws.wire import RequestContext

CALLER = RequestContext(account_id="000000000000", region="us-east-1")


def pages(upstream: LocalStackUpstream | None = None) -> Client:
    return Client(LocalStackPages(["ecs", "logs"], lambda: ["logs", "s3"], CALLER, upstream))


def body(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200
    return json.loads(answer.data)


def test_ours_run_and_motos_are_available() -> None:
    page = body(pages(), "/_localstack/health")
    assert page["services"] == {"ecs": "running", "logs": "running", "s3": "available"}
    assert page["edition"] != "pro"
    assert pages().head("/_localstack/health").status_code == 200


def test_services_of_the_localstack_behind_show_its_states() -> None:
    states = {"s3": "running", "logs": "available", "sqs": "stopped", "ecs": "available"}
    health = LocalStackHealth(version="4.13.1", edition="community", services=states)
    upstream = LocalStackUpstream("http://127.0.0.1:1", "000000000000", ask=lambda _url: health)
    page = body(pages(upstream), "/_localstack/health")
    assert page["services"] == {
        "ecs": "running",
        "logs": "available",
        "s3": "running",
        "sqs": "error",
    }
    assert (page["version"], page["edition"]) == ("4.13.1", "community")


def test_what_waits_for_readiness_is_told() -> None:
    assert body(pages(), "/_localstack/init")["completed"]["READY"] is True
    assert body(pages(), "/_localstack/init/ready")["completed"] is True
    assert body(pages(), "/_localstack/info")["is_license_activated"] is False


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/_localstack/plugins"), ("POST", "/_localstack/health")]
)
def test_other_pages_are_refused_by_name(method: str, path: str) -> None:
    answer = pages().open(path, method=method)
    assert answer.status_code == 404
    assert path in json.loads(answer.data)["message"]


def test_page_of_a_localstack_that_is_gone_is_unavailable() -> None:
    health = LocalStackHealth(version="4", edition="community", services={})
    upstream = LocalStackUpstream("http://127.0.0.1:1", "000000000000", ask=lambda _url: health)
    answer = pages(upstream).get("/_aws/sqs/messages")
    assert answer.status_code == 503
    assert "http://127.0.0.1:1" in json.loads(answer.data)["message"]
