"""`EcsBlueGreenRollback`: users back on the old version, then the new one goes.

Source: harness.md 3.2 (EcsBlueGreenRollbackCommandTaskHandler). Harness brings the old
service up first and moves the traffic then; so does this step, unless the old service is
still whole: then the traffic moves first, since every second on the new version costs.
Either way traffic only ever moves to tasks that run, and the new service is scaled down
last: prod loses no request. Run twice: the second run finds everything in place.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import blue_green, rules, scaling, services
from fake_harness.delegate.ecs.aws import Aws, aws_failures, connect
from fake_harness.delegate.ecs.blue_green import BLUE, GREEN, OldService, Release
from fake_harness.delegate.results import JsonObject, StepResult


def blue_green_rollback(context: StepContext) -> StepResult:
    """Undo what the blue/green steps of the stage did."""
    with aws_failures(), context.unit("Rollback"):
        release = blue_green.release_of(context)
        if release is None:
            context.log("No blue/green service was begun in this stage: nothing to roll back")
            return StepResult()
        aws = connect(context)
        if release.old is None:
            _undo_first(context, aws, release)
        else:
            _undo(context, aws, release, release.old)
    return StepResult(outputs={"trafficShifted": False, "loadBalancer": release.load_balancer})


def _undo_first(context: StepContext, aws: Aws, release: Release) -> None:
    _restore_traffic(context, aws, release)
    name = release.new_service
    if services.is_active(services.describe(aws, name).get(name)):
        scaling.remove(context, aws, name)
        services.delete(context, aws, name)


def _undo(context: StepContext, aws: Aws, release: Release, old: OldService) -> None:
    found = services.describe(aws, old.name, release.new_service, include=["TAGS"])
    if _is_whole(found.get(old.name), old):
        context.log(f"Service {old.name} still has all its tasks: traffic goes back at once")
        _restore_traffic(context, aws, release)
        _restore_old(context, aws, old, found.get(old.name))
    else:
        _restore_old(context, aws, old, found.get(old.name))
        _restore_traffic(context, aws, release)
    scaling.apply(context, aws, old.name, old.scaling)
    found = services.describe(aws, old.name, release.new_service, include=["TAGS"])
    blue_green.tag(context, aws, found.get(old.name), BLUE)
    new = found.get(release.new_service)
    blue_green.tag(context, aws, new, GREEN)
    if services.is_active(new):
        scaling.remove(context, aws, release.new_service)
        services.scale(context, aws, release.new_service, 0)


def _is_whole(service: JsonObject | None, old: OldService) -> bool:
    wanted = int(str(old.request.get("desiredCount") or 0))
    if service is None or not services.is_active(service):
        return False
    counts = (service.get("desiredCount"), service.get("runningCount"))
    return all(int(str(count or 0)) >= wanted for count in counts)


def _restore_traffic(context: StepContext, aws: Aws, release: Release) -> None:
    rules.restore(context, aws, release.prod)
    if release.stage.arn != release.prod.arn:
        rules.restore(context, aws, release.stage)


def _restore_old(context: StepContext, aws: Aws, old: OldService, live: JsonObject | None) -> None:
    request = {**old.request, "cluster": aws.cluster}
    if live is None or not services.is_active(live):
        services.create(context, aws, request)
        return
    count = max(int(str(n or 0)) for n in (old.request["desiredCount"], live.get("desiredCount")))
    change = services.update_request(aws, {**request, "desiredCount": count})
    services.update(context, aws, change, live)
