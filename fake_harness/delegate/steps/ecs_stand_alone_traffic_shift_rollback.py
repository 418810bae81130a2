"""`StandAloneTrafficShiftRollback`: every rule that a Standalone shift changed goes back.

Source: schema only (harness.md 3.2); Unverified beyond it. Run twice: nothing differs any more.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import rules
from fake_harness.delegate.ecs.aws import aws_failures, connect
from fake_harness.delegate.ecs.standalone import rules_to_restore
from fake_harness.delegate.results import StepFailedError, StepResult


def rollback(context: StepContext) -> StepResult:
    """Restore the captured rules."""
    with aws_failures(), context.unit("Rollback"):
        if "rollbackData" not in context.params:
            raise StepFailedError("The task package has no params.rollbackData.")
        captured = rules_to_restore(context)
        if not captured:
            context.log("No standalone traffic shift ran in this stage: nothing to roll back")
            return StepResult()
        aws = connect(context)
        for rule in captured:
            rules.restore(context, aws, rule)
    return StepResult(outputs={"listenerRuleArns": [rule.arn for rule in captured]})
