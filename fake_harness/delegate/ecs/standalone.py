"""What standalone traffic shifts of a stage changed: each rule as it was before the first.

Each shift hands on what earlier ones kept, since a rollback sees only the latest step's data.
"""

from collections.abc import Mapping

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import rules
from fake_harness.delegate.ecs.rules import ListenerRule
from fake_harness.delegate.results import JsonObject

SHIFT_STEP = "EcsBlueGreenTrafficShift"


def captured_rules(context: StepContext) -> dict[str, JsonObject]:
    """Return the rules that earlier steps of the stage kept, by ARN."""
    data = context.mapping("rollbackData").get(SHIFT_STEP)
    kept = data.get("rules") if isinstance(data, Mapping) else None
    return dict(kept) if isinstance(kept, Mapping) else {}


def keep_rule(context: StepContext, rule: ListenerRule) -> None:
    """Keep a rule for the rollback, unless an earlier step kept it already."""
    kept = captured_rules(context)
    kept.setdefault(rule.arn, rule.wire())
    context.keep_for_rollback({"rules": kept})


def rules_to_restore(context: StepContext) -> list[ListenerRule]:
    """Return every rule that was kept."""
    found = (rules.from_wire(value) for value in captured_rules(context).values())
    return [rule for rule in found if rule is not None]
