"""Listener rules: find one, read its weights, choose the two target groups, set its action.

The choice is pure; the calls are DescribeLoadBalancers, DescribeListeners, DescribeRules,
ModifyRule and ModifyListener (for a listener's default rule). Source: harness.md 3.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.results import JsonObject, StepFailedError

_CONFIGURATION = "CONFIGURATION_FAILURE"
_WHOLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRule:
    """A rule as it is now, or was when it was captured."""

    listener_arn: str
    arn: str
    is_default: bool
    actions: tuple[JsonObject, ...]

    def wire(self) -> JsonObject:
        """Return it as rollback data."""
        return {
            "listenerArn": self.listener_arn,
            "ruleArn": self.arn,
            "isDefault": self.is_default,
            "actions": list(self.actions),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroups:
    """The two sides of a blue/green deployment."""

    prod: str
    stage: str


def from_wire(value: object) -> ListenerRule | None:
    """Read rollback data; None when nothing was captured."""
    if not isinstance(value, Mapping):
        return None
    return ListenerRule(
        listener_arn=str(value["listenerArn"]),
        arn=str(value["ruleArn"]),
        is_default=bool(value["isDefault"]),
        actions=tuple(value["actions"]),
    )


def load_balancer_arn(aws: Aws, name: str) -> str:
    """Return the ARN of the load balancer with this name.

    Raises:
        StepFailedError: there is none.
    """
    try:
        found = aws.elbv2.describe_load_balancers(Names=[name])["LoadBalancers"]
    except aws.elbv2.exceptions.LoadBalancerNotFoundException as error:
        message = f"Load balancer [{name}] does not exist in {aws.region}."
        raise StepFailedError(message, _CONFIGURATION) from error
    return str(found[0]["LoadBalancerArn"])


def require_listener(aws: Aws, balancer_arn: str, listener_arn: str) -> None:
    """Check that the load balancer has the listener.

    Raises:
        StepFailedError: it has not.
    """
    pages = aws.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer_arn)
    known = [row["ListenerArn"] for page in pages for row in page["Listeners"]]
    if listener_arn not in known:
        message = f"Listener [{listener_arn}] is not one of load balancer [{balancer_arn}]."
        raise StepFailedError(message, _CONFIGURATION)


def read_rule(aws: Aws, listener_arn: str, rule_arn: str) -> ListenerRule:
    """Return a listener's rule; an empty `rule_arn` means its default rule.

    Raises:
        StepFailedError: the listener has no such rule.
    """
    pages = aws.elbv2.get_paginator("describe_rules").paginate(ListenerArn=listener_arn)
    for row in (row for page in pages for row in page["Rules"]):
        if row["RuleArn"] == rule_arn or (not rule_arn and row["IsDefault"]):
            return ListenerRule(
                listener_arn=listener_arn,
                arn=str(row["RuleArn"]),
                is_default=bool(row["IsDefault"]),
                actions=tuple(row["Actions"]),
            )
    message = f"Listener [{listener_arn}] has no rule [{rule_arn or 'default'}]."
    raise StepFailedError(message, _CONFIGURATION)


def weights(actions: Sequence[JsonObject]) -> dict[str, int]:
    """Return what a forward action sends where; empty for any other action."""
    if not actions:
        return {}
    config = actions[-1].get("ForwardConfig")
    rows = config.get("TargetGroups") if isinstance(config, Mapping) else None
    if rows:
        return {str(row["TargetGroupArn"]): int(row.get("Weight", 1)) for row in rows}
    single = actions[-1].get("TargetGroupArn")
    return {str(single): 1} if single else {}


def first_target_group(rule: ListenerRule) -> str:
    """Return the target group of a rule that forwards to one.

    Raises:
        StepFailedError: the rule forwards to none.
    """
    found = weights(rule.actions)
    if not found:
        message = f"Rule [{rule.arn}] does not forward to a target group."
        raise StepFailedError(message, _CONFIGURATION)
    return next(iter(found))


def choose_target_groups(rule: ListenerRule, stage_target_group_arn: str) -> TargetGroups:
    """Return prod and stage of the one rule of a traffic shift.

    The group that carries the traffic is prod. The stage is `stage_target_group_arn` unless
    that one is prod; then it is the other. Unverified: how Harness chooses at the second
    release, where the step's fixed stage target group is the live one; without this rule
    every second release would replace its own live targets.

    Raises:
        StepFailedError: the rule does not hold exactly two target groups, or the wanted
            stage target group is none of them.
    """
    found = weights(rule.actions)
    if len(found) != 2:
        message = (
            f"A traffic shift needs a rule with exactly two target groups; [{rule.arn}] "
            f"has {len(found)}."
        )
        raise StepFailedError(message, _CONFIGURATION)
    if stage_target_group_arn and stage_target_group_arn not in found:
        message = f"stageTargetGroupArn [{stage_target_group_arn}] is not in rule [{rule.arn}]."
        raise StepFailedError(message, _CONFIGURATION)
    # Lightest first; where both weigh the same, the named stage is not prod.
    order = sorted(found, key=lambda arn: (found[arn], arn != stage_target_group_arn))
    stage, prod = order
    return TargetGroups(prod=prod, stage=stage)


def is_shared(rule: ListenerRule) -> bool:
    """True when more than one target group gets requests."""
    return sum(weight > 0 for weight in weights(rule.actions).values()) > 1


def shifted(rule: ListenerRule, shares: Mapping[str, int]) -> tuple[JsonObject, ...]:
    """Return a forward action with these weights; the stickiness that was on stays on."""
    config: dict[str, object] = {
        "TargetGroups": [
            {"TargetGroupArn": arn, "Weight": weight} for arn, weight in shares.items()
        ]
    }
    before = rule.actions[-1].get("ForwardConfig") if rule.actions else None
    sticky = before.get("TargetGroupStickinessConfig") if isinstance(before, Mapping) else None
    if isinstance(sticky, Mapping) and sticky.get("Enabled"):
        config["TargetGroupStickinessConfig"] = dict(sticky)
    return ({"Type": "forward", "ForwardConfig": config},)


def forward_to(target_group_arn: str) -> tuple[JsonObject, ...]:
    """Return the action that sends everything to one target group."""
    return ({"Type": "forward", "TargetGroupArn": target_group_arn},)


def set_actions(
    context: StepContext, aws: Aws, rule: ListenerRule, actions: Sequence[JsonObject]
) -> None:
    """Give a rule these actions, whatever it has now."""
    wanted: Any = [dict(action) for action in actions]
    shares = ", ".join(
        f"{arn.rpartition('targetgroup/')[2]} {weight}" for arn, weight in weights(actions).items()
    )
    if rule.is_default:
        context.log(f"Modifying default action of listener {rule.listener_arn}: {shares}")
        aws.elbv2.modify_listener(ListenerArn=rule.listener_arn, DefaultActions=wanted)
    else:
        context.log(f"Modifying rule {rule.arn}: {shares}")
        aws.elbv2.modify_rule(RuleArn=rule.arn, Actions=wanted)


def restore(context: StepContext, aws: Aws, captured: ListenerRule) -> None:
    """Give a rule back what it had when it was captured, if it has something else now."""
    now = read_rule(aws, captured.listener_arn, captured.arn)
    if _shares(now.actions) == _shares(captured.actions):
        context.log(f"Rule {captured.arn} sends its traffic where it did; it stays")
        return
    set_actions(context, aws, captured, captured.actions)


def _shares(actions: Sequence[JsonObject]) -> dict[str, float]:
    """Return who gets which part of the traffic: weights 1 and 100 of one group are equal."""
    found = weights(actions)
    total = sum(found.values()) or 1
    return {arn: weight / total for arn, weight in found.items() if weight > 0}
