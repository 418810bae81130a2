"""Numbers of deployments: circuit breaker threshold, back-off, capacity providers."""

from collections import Counter

import pytest

from sandbox.aws.ecs.deployments import back_off_s, failure_threshold
from sandbox.aws.ecs.launch import pick_provider
from sandbox.aws.ecs.records import DeploymentConfiguration, StrategyItem


@pytest.mark.parametrize(
    ("desired", "threshold"), [(0, 3), (1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (900, 200)]
)
def test_circuit_breaker_threshold_is_half_the_desired_count_between_3_and_200(
    desired: int, threshold: int
) -> None:
    assert failure_threshold(DeploymentConfiguration(), desired) == threshold


@pytest.mark.parametrize(
    ("given", "threshold"),
    [
        ({"type": "COUNT", "value": 7}, 7),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 3),
        ({"type": "UNBOUNDED_PERCENT", "value": 10}, 2),
    ],
)
def test_circuit_breaker_threshold_can_be_given(given: dict[str, object], threshold: int) -> None:
    configuration = DeploymentConfiguration(breaker_threshold=given)
    assert failure_threshold(configuration, 20) == threshold


def test_back_off_grows_to_fifteen_minutes() -> None:
    waits = [back_off_s(n) for n in range(1, 30)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1, 900)


def test_strategy_fills_the_base_then_follows_the_weights() -> None:
    strategy = [
        StrategyItem(capacity_provider="FARGATE", base=2, weight=1),
        StrategyItem(capacity_provider="FARGATE_SPOT", weight=3),
    ]
    used: Counter[str] = Counter()
    for _ in range(10):
        used[pick_provider(strategy, used)] += 1
    assert used == {"FARGATE": 4, "FARGATE_SPOT": 6}
    assert pick_provider((), used) == ""
