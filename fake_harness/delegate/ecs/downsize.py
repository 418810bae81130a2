"""What follows once the new service has all the traffic: tags flip, the old one goes to 0.

Source: harness.md 3.2, EcsBlueGreenSwapTargetGroups. Safe to repeat.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import blue_green, scaling, services
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.ecs.blue_green import BLUE, GREEN, Release
from fake_harness.delegate.ecs.poll import sleep_scaled


def promote(
    context: StepContext, aws: Aws, release: Release, *, downsizes: bool, delay_s: float = 0
) -> None:
    """Tag the new service BLUE and the old one GREEN; scale the old one down if asked to."""
    names = [release.new_service] + ([release.old.name] if release.old else [])
    found = services.describe(aws, *names, include=["TAGS"])
    blue_green.tag(context, aws, found.get(release.new_service), BLUE)
    if release.old is None:
        return
    old = found.get(release.old.name)
    blue_green.tag(context, aws, old, GREEN)
    if not downsizes or not services.is_active(old):
        return
    if delay_s > 0:
        context.log(f"Waiting {delay_s:g} s before service {release.old.name} is scaled down")
        sleep_scaled(context, delay_s)
    scaling.remove(context, aws, release.old.name)
    services.scale(context, aws, release.old.name, 0)
