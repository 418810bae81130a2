"""Harness's rule of the steady state."""

from datetime import UTC, datetime, timedelta

import pytest

from fake_harness.delegate.ecs.steady import failure_of, is_steady
from fake_harness.delegate.results import JsonObject

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


def service(events: list[tuple[str, datetime]], deployments: int = 1) -> JsonObject:
    return {
        "events": [{"message": m, "createdAt": t} for m, t in events],
        "deployments": [{"id": str(n), "updatedAt": NOW} for n in range(deployments)],
    }


@pytest.mark.parametrize(
    ("events", "deployments", "steady"),
    [
        pytest.param([("(service w) has reached a steady state.", AFTER)], 1, True, id="newer"),
        pytest.param([("(service w) has reached a steady state.", NOW)], 1, True, id="same time"),
        pytest.param([("(service w) has reached a steady state.", BEFORE)], 1, False, id="older"),
        pytest.param([("(service w) has reached a steady state.", AFTER)], 2, False, id="moving"),
        pytest.param([("(service w) has started 1 tasks: (task a).", AFTER)], 1, False, id="other"),
        pytest.param([], 1, False, id="no event"),
        pytest.param(
            [
                ("(service w) has started 1 tasks: (task a).", AFTER),
                ("(service w) has reached a steady state.", NOW),
                ("(service w) has reached a steady state.", BEFORE),
            ],
            1,
            True,
            id="newest of several",
        ),
    ],
)
def test_steady_is_one_deployment_and_an_event_not_older(
    events: list[tuple[str, datetime]], deployments: int, *, steady: bool
) -> None:
    assert is_steady(service(events, deployments)) is steady


@pytest.mark.parametrize(
    ("deployments", "failure"),
    [
        ([{"id": "d1", "rolloutState": "IN_PROGRESS"}], ""),
        ([{"id": "d1", "rolloutState": "COMPLETED"}], ""),
        (
            [{"id": "d1", "rolloutState": "FAILED", "rolloutStateReason": "no luck"}],
            "deployment d1 failed: no luck",
        ),
        (
            [{"id": "d1", "rolloutState": "IN_PROGRESS"}, {"id": "d0", "rolloutState": "FAILED"}],
            "",
        ),
        (
            [{"id": "d2", "rolloutStateReason": "circuit breaker"}],
            "deployment d1 was replaced by d2 (circuit breaker)",
        ),
    ],
    ids=["going on", "done", "failed", "an older one failed", "rolled back by ECS"],
)
def test_only_the_deployment_that_the_step_began_can_fail_it(
    deployments: list[JsonObject], failure: str
) -> None:
    assert failure_of({"deployments": deployments}, "d1") == failure
