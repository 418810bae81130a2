"""`EcsBlueGreenSwapTargetGroups`: prod and stage change places.

Source: harness.md 3.2 (EcsBlueGreenSwapTargetGroupCommandTaskHandler). It sets absolute
values: run twice, it does the same again.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import blue_green, outcomes, rules, scaling
from fake_harness.delegate.ecs.aws import aws_failures, connect
from fake_harness.delegate.ecs.downsize import promote
from fake_harness.delegate.ecs.manifests import read_manifests
from fake_harness.delegate.ecs.rolling import own_scaling
from fake_harness.delegate.results import StepFailedError, StepResult


def swap_target_groups(context: StepContext) -> StepResult:
    """Send prod's requests to the stage target group and the other way round."""
    with aws_failures(), context.unit("Swap Target Group"):
        aws = connect(context)
        release = blue_green.required_release(context)
        if release.is_traffic_shift:
            message = "A stage that shifts traffic (isTrafficShift: true) cannot swap as well."
            raise StepFailedError(message, "CONFIGURATION_FAILURE")
        if release.defers_scaling:
            manifests = read_manifests(context, aws, target_group_arn=release.groups.stage)
            scaling.apply(context, aws, release.new_service, own_scaling(manifests))
        prod_action = rules.forward_to(release.groups.stage)
        stage_action = rules.forward_to(release.groups.prod)
        rules.set_actions(context, aws, release.prod, prod_action)
        rules.set_actions(context, aws, release.stage, stage_action)
        delay = context.text("downsizeOldServiceDelayInSecs", "0")
        downsizes = not context.flag("doNotDownsizeOldService")
        promote(context, aws, release, downsizes=downsizes, delay_s=float(delay))
    return StepResult(outputs=outcomes.moved(release, traffic_shifted=True))
