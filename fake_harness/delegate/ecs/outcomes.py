"""Outcomes of the blue/green steps, as `<+steps.X.output.NAME>` reads them; data only."""

from fake_harness.delegate.ecs.blue_green import Release
from fake_harness.delegate.results import JsonObject


def created(release: Release) -> JsonObject:
    """Return the outcome of EcsBlueGreenCreateService."""
    return {
        "isNewServiceCreated": True,
        "serviceName": release.new_service,
        "loadBalancer": release.load_balancer,
        "listenerArn": release.stage.listener_arn,
        "listenerRuleArn": release.stage.arn,
        "targetGroupArn": release.groups.stage,
    }


def moved(release: Release, *, traffic_shifted: bool) -> JsonObject:
    """Return the outcome of the steps that move traffic."""
    return {
        "loadBalancer": release.load_balancer,
        "prodListenerArn": release.prod.listener_arn,
        "prodListenerRuleArn": release.prod.arn,
        "prodTargetGroupArn": release.groups.prod,
        "stageListenerArn": release.stage.listener_arn,
        "stageListenerRuleArn": release.stage.arn,
        "stageTargetGroupArn": release.groups.stage,
        "trafficShifted": traffic_shifted,
    }
