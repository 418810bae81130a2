"""`EcsBlueGreenTrafficShift`: sets the weights of a rule's target groups.

Source: schema and the traffic shifting guide (harness.md 3.2). Unverified: at weight 100 the
old service is scaled to 0, as the swap step does with downsizing. Everything it needs comes
in the package, and it sets absolute values: run twice, it does the same again.
"""

from collections.abc import Mapping, Sequence

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import blue_green, outcomes, rules
from fake_harness.delegate.ecs.aws import Aws, aws_failures, connect
from fake_harness.delegate.ecs.downsize import promote
from fake_harness.delegate.ecs.standalone import captured_rules, keep_rule
from fake_harness.delegate.results import JsonObject, StepFailedError, StepResult

_WHOLE = 100


def traffic_shift(context: StepContext) -> StepResult:
    """Shift by the wrapper's type: the release's own rule, or any other."""
    wrapper = context.mapping("ecsTrafficShiftWrapper")
    spec = wrapper.get("spec")
    if not isinstance(spec, Mapping):
        raise StepFailedError("ecsTrafficShiftWrapper has no spec.", "CONFIGURATION_FAILURE")
    with aws_failures(), context.unit("Traffic Shift"):
        aws = connect(context)
        if wrapper.get("type") == "Inherit":
            return _inherit(context, aws, _weight(spec.get("weightPercentage")))
        if wrapper.get("type") == "Standalone":
            return _standalone(context, aws, spec)
    message = f"ecsTrafficShiftWrapper type [{wrapper.get('type')}] is unknown."
    raise StepFailedError(message, "CONFIGURATION_FAILURE")


def _inherit(context: StepContext, aws: Aws, weight: int) -> StepResult:
    release = blue_green.required_release(context)
    if not release.is_traffic_shift:
        message = f"{blue_green.CREATE_STEP} of this stage was not run with isTrafficShift: true."
        raise StepFailedError(message, "CONFIGURATION_FAILURE")
    # Carried on, so that a later rollback still knows the rules of standalone shifts.
    context.keep_for_rollback({"rules": captured_rules(context)})
    shares = {release.groups.prod: _WHOLE - weight, release.groups.stage: weight}
    context.log(f"Shifting {weight} percent of the traffic to {release.new_service}")
    rules.set_actions(context, aws, release.prod, rules.shifted(release.prod, shares))
    if weight == _WHOLE:
        promote(context, aws, release, downsizes=True)
    outcome = outcomes.moved(release, traffic_shifted=weight == _WHOLE)
    return StepResult(outputs={**outcome, "weightPercentage": weight})


def _standalone(context: StepContext, aws: Aws, spec: JsonObject) -> StepResult:
    name, listener = str(spec.get("loadBalancer")), str(spec.get("listener"))
    rule_arn = str(spec.get("listenerRuleArn") or "")
    shares = _shares(spec.get("forwardConfig"))
    release = blue_green.release_of(context)
    if release is not None and rule_arn == release.prod.arn:
        message = f"Rule [{rule_arn}] is the prod rule of the release; use type Inherit for it."
        raise StepFailedError(message, "CONFIGURATION_FAILURE")
    rules.require_listener(aws, rules.load_balancer_arn(aws, name), listener)
    rule = rules.read_rule(aws, listener, rule_arn)
    keep_rule(context, rule)
    rules.set_actions(context, aws, rule, rules.shifted(rule, shares))
    outcome = {"loadBalancer": name, "listenerArn": listener, "listenerRuleArn": rule.arn}
    return StepResult(outputs=outcome)


def _shares(value: object) -> dict[str, int]:
    rows = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    shares = {str(row["targetGroupArn"]): _weight(row.get("weight", _WHOLE)) for row in rows}
    if not shares:
        raise StepFailedError("forwardConfig names no target group.", "CONFIGURATION_FAILURE")
    return dict.fromkeys(shares, _WHOLE) if len(shares) == 1 else shares


def _weight(value: object) -> int:
    text = str(value)
    if not text.isdigit() or int(text) > _WHOLE:
        message = f"Weight [{text}] is not a whole number from 0 to 100."
        raise StepFailedError(message, "CONFIGURATION_FAILURE")
    return int(text)
