"""What is passed on, what stays, and what a LocalStack that is gone means."""

import pytest

from sandbox.aws.localstack.health import LocalStackHealth, UnreachableError
from sandbox.aws.localstack.upstream import (
    FRESH_S,
    RETRY_S,
    LocalStackUpstream,
)
from sandbox.errors import AwsError

URL = "http://127.0.0.1:1"
STATES = {
    "s3": "running",
    "iam": "available",
    "ecs": "available",
    "ec2": "available",
    "cloudwatch": "available",
    "sqs": "error",
    "sns": "disabled",
}


class LocalStackDouble:
    """Answers for its health; counts how often it was asked."""

    def __init__(self) -> None:
        self.up = True
        self.asked = 0
        self.now = 0.0

    def ask(self, url: str) -> LocalStackHealth:
        assert url == URL
        self.asked += 1
        if not self.up:
            raise UnreachableError("Connection refused")
        return LocalStackHealth(version="4.13.1", edition="community", services=STATES)


@pytest.fixture
def double() -> LocalStackDouble:
    return LocalStackDouble()


@pytest.fixture
def upstream(double: LocalStackDouble) -> LocalStackUpstream:
    return LocalStackUpstream(URL, "111122223333", ask=double.ask, clock=lambda: double.now)


@pytest.mark.parametrize(
    ("service", "takes"),
    [
        ("s3", True),
        ("", True),
        ("iam", True),
        ("monitoring", True),
        ("ecs", False),
        ("ec2", False),
        ("sns", False),
        ("budgets", False),
    ],
    ids=["running", "unsigned", "available", "other-name", "ours", "stays", "disabled", "unknown"],
)
def test_takes_what_is_served_there_and_does_not_stay(
    upstream: LocalStackUpstream, service: str, *, takes: bool
) -> None:
    assert upstream.takes(service) is takes


def test_broken_service_is_an_error_and_not_another_emulators(upstream: LocalStackUpstream) -> None:
    with pytest.raises(AwsError, match="sqs is in state 'error'") as refused:
        upstream.takes("sqs")
    assert (refused.value.code, refused.value.status) == ("ServiceUnavailable", 503)


def test_absent_localstack_is_an_error_but_for_what_stays(
    upstream: LocalStackUpstream, double: LocalStackDouble
) -> None:
    double.up = False
    assert upstream.takes("ecs") is False
    with pytest.raises(AwsError, match=f"LocalStack at {URL} does not answer") as refused:
        upstream.takes("budgets")
    assert refused.value.status == 503
    assert upstream.health() == {
        "url": URL,
        "status": "unreachable",
        "message": "Connection refused",
    }
    assert upstream.rows(["s3", "ecs"]) == {"s3": {"status": "unavailable", "by": "localstack"}}


def test_answer_is_believed_for_a_while_and_then_asked_anew(
    upstream: LocalStackUpstream, double: LocalStackDouble
) -> None:
    upstream.takes("s3")
    double.now += FRESH_S
    upstream.takes("s3")
    assert double.asked == 1
    double.now += 1
    upstream.takes("s3")
    assert double.asked == 2


def test_absent_localstack_is_tried_again_soon_but_not_at_once(
    upstream: LocalStackUpstream, double: LocalStackDouble
) -> None:
    double.up = False
    for _ in range(3):
        with pytest.raises(AwsError):
            upstream.takes("s3")
    assert double.asked == 1
    double.up = True
    double.now += RETRY_S + 0.1
    assert upstream.takes("s3")


def test_rows_leave_out_what_stays_and_what_is_disabled(upstream: LocalStackUpstream) -> None:
    assert {name: row["status"] for name, row in upstream.rows([]).items()} == {
        "s3": "running",
        "iam": "available",
        "cloudwatch": "available",
        "sqs": "error",
    }
