"""Operations on listener rules and their priorities."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.elbv2 import exceptions, identifiers, params, responses
from sandbox.aws.elbv2.actions import parse_actions
from sandbox.aws.elbv2.conditions import parse_conditions
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.records import Listener, Rule
from sandbox.aws.elbv2.state import State
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject

_MAX_RULES = 100
_MAX_PRIORITY = 50000


class RuleOperations:
    """Handlers; each runs inside `State.change()`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> Mapping[str, Handler]:
        """Return the operations by name."""
        return {
            "CreateRule": self.create,
            "DescribeRules": self.describe,
            "ModifyRule": self.modify,
            "DeleteRule": self.delete,
            "SetRulePriorities": self.set_priorities,
        }

    def create(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """CreateRule: the same settings at the same priority are answered again."""
        listener = self._state.listener(params.text(request, "ListenerArn"))
        _refuse_transforms(request)
        wanted = Rule(
            arn=identifiers.rule_arn(listener.arn),
            listener_arn=listener.arn,
            priority=_priority(params.number(request, "Priority", 0)),
            conditions=parse_conditions(params.objects(request, "Conditions")),
            action=parse_actions(
                self._state, listener.load_balancer_arn, params.objects(request, "Actions")
            ),
            tags=params.pairs(request, "Tags"),
        )
        rules = self._state.rules_of(listener.arn)
        existing = next((rule for rule in rules if rule.priority == wanted.priority), None)
        if existing is not None:
            if (existing.conditions, existing.action) != (wanted.conditions, wanted.action):
                raise exceptions.priority_in_use(wanted.priority)
            return {"Rules": [responses.rule(existing)]}
        if len(rules) >= _MAX_RULES:
            raise AwsError(
                "TooManyRules", "The maximum number of rules has been reached on this listener"
            )
        self._state.put(wanted)
        return {"Rules": [responses.rule(wanted)]}

    def describe(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeRules: by ARN, or all of a listener with the default one last."""
        arns = params.texts(request, "RuleArns")
        parent = params.text(request, "ListenerArn")
        if bool(arns) == bool(parent):
            raise validation_error(
                "You must specify either listener ARN or rule ARNs, but not both"
            )
        if arns:
            rendered = [self._render(arn) for arn in arns]
        else:
            listener = self._state.listener(parent)
            rendered = [responses.rule(rule) for rule in self._state.rules_of(listener.arn)]
            rendered.append(responses.default_rule(listener))
        found, more = responses.page(request, rendered)
        return {"Rules": list(found), **more}

    def _render(self, arn: str) -> JsonObject:
        default_of = self._default_of(arn)
        if default_of is not None:
            return responses.default_rule(default_of)
        return responses.rule(self._state.rule(arn))

    def _default_of(self, arn: str) -> Listener | None:
        listeners = self._state.listeners()
        return next((x for x in listeners if x.default_rule_arn == arn), None)

    def modify(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """ModifyRule: what is not given stays."""
        arn = params.text(request, "RuleArn")
        if self._default_of(arn) is not None:
            raise exceptions.not_permitted(
                f"Default rule '{arn}' cannot be modified; use ModifyListener"
            )
        _refuse_transforms(request)
        before = self._state.rule(arn)
        listener = self._state.listener(before.listener_arn)
        conditions = params.objects(request, "Conditions")
        actions = params.objects(request, "Actions")
        if not conditions and not actions:
            raise validation_error("Either conditions or actions must be specified")
        after = before
        if conditions:
            after = replace(after, conditions=parse_conditions(conditions))
        if actions:
            action = parse_actions(self._state, listener.load_balancer_arn, actions)
            after = replace(after, action=action)
        self._state.put(after)
        return {"Rules": [responses.rule(after)]}

    def delete(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DeleteRule."""
        arn = params.text(request, "RuleArn")
        if self._default_of(arn) is not None:
            raise exceptions.not_permitted(f"Default rule '{arn}' cannot be deleted")
        self._state.delete(self._state.rule(arn))
        return {}

    def set_priorities(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """SetRulePriorities: all at once, so that two rules can change places."""
        wanted = {
            params.text(item, "RuleArn"): _priority(params.number(item, "Priority", 0))
            for item in params.objects(request, "RulePriorities")
        }
        moved = [replace(self._state.rule(arn), priority=p) for arn, p in wanted.items()]
        for rule in moved:
            others = [r for r in self._state.rules_of(rule.listener_arn) if r.arn not in wanted]
            others += [r for r in moved if r.arn != rule.arn]
            same_listener = (r for r in others if r.listener_arn == rule.listener_arn)
            if any(other.priority == rule.priority for other in same_listener):
                raise exceptions.priority_in_use(rule.priority)
        for rule in moved:
            self._state.put(rule)
        return {"Rules": [responses.rule(rule) for rule in moved]}


def _priority(value: int) -> int:
    if not 1 <= value <= _MAX_PRIORITY:
        raise validation_error(f"Priority '{value}' must be between 1 and {_MAX_PRIORITY}")
    return value


def _refuse_transforms(request: JsonObject) -> None:
    if params.objects(request, "Transforms"):
        raise not_implemented("elbv2", "CreateRule", "Transforms")
