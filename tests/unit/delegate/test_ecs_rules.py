"""Which target group is prod, which stage, and what an action sends where."""

import pytest

from fake_harness.delegate.ecs import rules
from fake_harness.delegate.ecs.rules import ListenerRule, TargetGroups
from fake_harness.delegate.results import JsonObject, StepFailedError


def rule(**weights: int) -> ListenerRule:
    rows = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    action: JsonObject = {"Type": "forward", "ForwardConfig": {"TargetGroups": rows}}
    return ListenerRule(listener_arn="l", arn="r", is_default=False, actions=(action,))


@pytest.mark.parametrize(
    ("weights", "named", "prod", "stage"),
    [
        ({"a": 100, "b": 0}, "b", "a", "b"),
        ({"a": 0, "b": 100}, "b", "b", "a"),
        ({"a": 0, "b": 100}, "a", "b", "a"),
        ({"a": 0, "b": 100}, "", "b", "a"),
        ({"a": 75, "b": 25}, "b", "a", "b"),
        ({"a": 25, "b": 75}, "b", "b", "a"),
        ({"a": 50, "b": 50}, "a", "b", "a"),
        ({"a": 50, "b": 50}, "b", "a", "b"),
        ({"a": 0, "b": 0}, "b", "a", "b"),
    ],
)
def test_the_group_that_carries_the_traffic_is_prod(
    weights: dict[str, int], named: str, prod: str, stage: str
) -> None:
    found = rules.choose_target_groups(rule(**weights), named)
    assert found == TargetGroups(prod=prod, stage=stage)


@pytest.mark.parametrize(
    ("weights", "named", "message"),
    [
        ({"a": 100}, "", "exactly two target groups"),
        ({"a": 1, "b": 1, "c": 1}, "", "exactly two target groups"),
        ({"a": 100, "b": 0}, "c", "is not in rule"),
    ],
)
def test_any_other_rule_is_refused(weights: dict[str, int], named: str, message: str) -> None:
    with pytest.raises(StepFailedError, match=message):
        rules.choose_target_groups(rule(**weights), named)


def test_weights_are_read_in_both_spellings() -> None:
    assert rules.weights(rule(a=1, b=3).actions) == {"a": 1, "b": 3}
    assert rules.weights(rules.forward_to("a")) == {"a": 1}
    assert rules.weights([{"Type": "fixed-response"}]) == {}
    assert rules.weights([]) == {}


def test_a_shift_keeps_the_stickiness_that_was_on() -> None:
    sticky = {"Enabled": True, "DurationSeconds": 60}
    config = {"TargetGroups": [], "TargetGroupStickinessConfig": sticky}
    before = ListenerRule(
        listener_arn="l", arn="r", is_default=False, actions=({"ForwardConfig": config},)
    )
    (action,) = rules.shifted(before, {"a": 90, "b": 10})
    assert action["ForwardConfig"] == {
        "TargetGroups": [
            {"TargetGroupArn": "a", "Weight": 90},
            {"TargetGroupArn": "b", "Weight": 10},
        ],
        "TargetGroupStickinessConfig": sticky,
    }
    (plain,) = rules.shifted(rule(a=1, b=1), {"a": 90, "b": 10})
    assert "TargetGroupStickinessConfig" not in str(plain)


def test_a_rule_survives_the_way_through_rollback_data() -> None:
    before = rule(a=90, b=10)
    assert rules.from_wire(before.wire()) == before
    assert rules.from_wire(None) is None


def test_a_rule_is_shared_while_two_groups_get_requests() -> None:
    assert rules.is_shared(rule(a=90, b=10))
    assert not rules.is_shared(rule(a=100, b=0))
