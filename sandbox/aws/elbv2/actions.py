"""Actions of listeners and rules: parse and check what the API is given, and render it.

Source: ELBv2 API Reference, Action, ForwardActionConfig, RedirectActionConfig,
FixedResponseActionConfig.
"""

import re
from collections.abc import Sequence

from sandbox.aws.elbv2 import params
from sandbox.aws.elbv2.exceptions import (
    target_group_of_other_load_balancer,
    validation_error,
)
from sandbox.aws.elbv2.records import (
    Action,
    FixedResponse,
    Forward,
    Redirect,
    WeightedTargetGroup,
)
from sandbox.aws.elbv2.state import State
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject

_MAX_WEIGHT = 999
_MAX_GROUPS = 5
_CONTENT_TYPES = (
    "text/plain",
    "text/css",
    "text/html",
    "application/javascript",
    "application/json",
)


def parse_actions(state: State, load_balancer_arn: str, wire: Sequence[JsonObject]) -> Action:
    """Return the one action of a listener or rule.

    Raises:
        AwsError: as AWS words it; NotImplemented for the authentication actions.

    """
    for item in wire:
        kind = params.text(item, "Type")
        if kind.startswith("authenticate") or kind == "jwt-validation":
            raise not_implemented("elbv2", "CreateRule", f"action type {kind}")
    if not wire:
        raise validation_error("Actions must be specified")
    if len(wire) > 1:
        raise AwsError("TooManyActions", "Only one routing action is allowed")
    action = _parse(wire[0])
    for arn in action.target_group_arns:
        check_association(state, load_balancer_arn, arn)
    return action


def check_association(state: State, load_balancer_arn: str, target_group_arn: str) -> None:
    """Refuse a target group that is unknown or belongs to another load balancer.

    Raises:
        AwsError: TargetGroupNotFound or TargetGroupAssociationLimit.

    """
    group = state.target_group(target_group_arn)
    if state.uses().get(group.arn, set()) - {load_balancer_arn}:
        raise target_group_of_other_load_balancer(group.arn)


def _parse(wire: JsonObject) -> Action:
    kind = params.text(wire, "Type")
    order = params.optional_number(wire, "Order")
    match kind:
        case "forward":
            return Action(forward=_forward(wire), order=order)
        case "redirect":
            return Action(redirect=_redirect(params.child(wire, "RedirectConfig")), order=order)
        case "fixed-response":
            config = params.child(wire, "FixedResponseConfig")
            return Action(fixed_response=_fixed_response(config), order=order)
    raise validation_error(
        f"1 validation error detected: Value '{kind}' at 'actions.1.member.type' failed to "
        "satisfy constraint: Member must satisfy enum value set: [authenticate-oidc, "
        "redirect, authenticate-cognito, forward, fixed-response]"
    )


def _forward(wire: JsonObject) -> Forward:
    single = params.text(wire, "TargetGroupArn")
    config = params.child(wire, "ForwardConfig")
    groups = tuple(
        WeightedTargetGroup(
            arn=params.text(item, "TargetGroupArn"),
            weight=params.optional_number(item, "Weight"),
        )
        for item in params.objects(config, "TargetGroups")
    )
    if not groups:
        if not single:
            raise validation_error("A target group ARN must be specified")
        groups = (WeightedTargetGroup(arn=single),)
    if single and {single} != {group.arn for group in groups}:
        raise validation_error(
            "You cannot specify both a target group ARN and a forward configuration with "
            "other target groups"
        )
    _check_groups(groups)
    stickiness = params.child(config, "TargetGroupStickinessConfig")
    return Forward(
        target_groups=groups,
        stickiness_enabled=bool(stickiness.get("Enabled")),
        stickiness_duration_s=_duration(stickiness),
    )


def _check_groups(groups: tuple[WeightedTargetGroup, ...]) -> None:
    if len(groups) > _MAX_GROUPS:
        raise AwsError(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            f"A forward action can have at most {_MAX_GROUPS} target groups",
        )
    if len({group.arn for group in groups}) != len(groups):
        raise validation_error("A target group can be specified only once in a forward action")
    for group in groups:
        if not 0 <= group.effective_weight <= _MAX_WEIGHT:
            raise validation_error(f"Weight '{group.weight}' must be between 0 and {_MAX_WEIGHT}")


def _duration(stickiness: JsonObject) -> int | None:
    duration = params.optional_number(stickiness, "DurationSeconds")
    if stickiness.get("Enabled") and duration is None:
        raise validation_error("Target group stickiness duration must be specified")
    if duration is not None and not 1 <= duration <= 604800:
        raise validation_error(
            f"Target group stickiness duration '{duration}' must be between 1 and 604800 seconds"
        )
    return duration


def _redirect(config: JsonObject) -> Redirect:
    status = params.text(config, "StatusCode")
    if status not in {"HTTP_301", "HTTP_302"}:
        raise validation_error(
            f"Redirect status code '{status}' must be one of [HTTP_301, HTTP_302]"
        )
    redirect = Redirect(
        status_code=status,
        protocol=params.text(config, "Protocol", "#{protocol}"),
        host=params.text(config, "Host", "#{host}"),
        port=params.text(config, "Port", "#{port}"),
        path=params.text(config, "Path", "/#{path}"),
        query=params.text(config, "Query", "#{query}"),
    )
    if redirect.protocol not in {"HTTP", "HTTPS", "#{protocol}"}:
        raise validation_error("Protocol must be one of [HTTP, HTTPS, #{protocol}]")
    if not redirect.path.startswith("/"):
        raise validation_error("Path must start with '/'")
    if redirect.port != "#{port}" and not redirect.port.isdecimal():
        raise validation_error("Port must be a number between 1 and 65535, or #{port}")
    parts = (redirect.protocol, redirect.host, redirect.port, redirect.path)
    if parts == ("#{protocol}", "#{host}", "#{port}", "/#{path}"):
        raise AwsError(
            "InvalidLoadBalancerAction",
            "The redirect configuration must not lead to a loop: it must change the "
            "protocol, host, port or path",
        )
    return redirect


def _fixed_response(config: JsonObject) -> FixedResponse:
    status = params.text(config, "StatusCode")
    if not re.fullmatch(r"[245]\d\d", status):
        raise validation_error(f"Fixed response status code '{status}' must match 2XX, 4XX or 5XX")
    content_type = params.text(config, "ContentType") or None
    if content_type is not None and content_type not in _CONTENT_TYPES:
        raise validation_error(
            f"Content type '{content_type}' must be one of [{', '.join(_CONTENT_TYPES)}]"
        )
    body = params.text(config, "MessageBody") or None
    if body is not None and len(body) > 1024:
        raise validation_error("The message body can have at most 1024 characters")
    return FixedResponse(status_code=status, content_type=content_type, message_body=body)


def render_action(action: Action) -> JsonObject:
    """Return an action in the API's shape."""
    order: JsonObject = {} if action.order is None else {"Order": action.order}
    if action.forward is not None:
        return {"Type": "forward", **_render_forward(action.forward), **order}
    if action.redirect is not None:
        redirect = action.redirect
        config = {
            "Protocol": redirect.protocol,
            "Port": redirect.port,
            "Host": redirect.host,
            "Path": redirect.path,
            "Query": redirect.query,
            "StatusCode": redirect.status_code,
        }
        return {"Type": "redirect", "RedirectConfig": config, **order}
    assert action.fixed_response is not None  # noqa: S101  an Action has exactly one
    fixed = action.fixed_response
    return {
        "Type": "fixed-response",
        "FixedResponseConfig": {
            "StatusCode": fixed.status_code,
            "ContentType": fixed.content_type,
            "MessageBody": fixed.message_body,
        },
        **order,
    }


def _render_forward(forward: Forward) -> JsonObject:
    groups = [
        {"TargetGroupArn": group.arn, "Weight": group.effective_weight}
        for group in forward.target_groups
    ]
    stickiness: dict[str, object] = {"Enabled": forward.stickiness_enabled}
    if forward.stickiness_duration_s is not None:
        stickiness["DurationSeconds"] = forward.stickiness_duration_s
    # AWS answers a single group in both of its spellings, whichever one was given.
    single: JsonObject = {"TargetGroupArn": groups[0]["TargetGroupArn"]} if len(groups) == 1 else {}
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}
    return {**single, "ForwardConfig": config}
