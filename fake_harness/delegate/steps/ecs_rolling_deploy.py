"""`EcsRollingDeploy`. Source: harness.md 3.2 (EcsRollingDeployCommandTaskHandler).

Run twice: registers another revision and updates the service again.
"""

from collections.abc import Mapping

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import rolling, scaling, services
from fake_harness.delegate.ecs.aws import Aws, aws_failures, connect
from fake_harness.delegate.ecs.manifests import ServiceManifests, read_manifests
from fake_harness.delegate.ecs.rolling import RollingState, own_scaling
from fake_harness.delegate.results import JsonObject, StepResult


def ecs_rolling_deploy(context: StepContext) -> StepResult:
    """Create or update the service of the service definition."""
    with aws_failures():
        with context.unit("Fetch Manifests"):
            aws = connect(context)
            manifests = read_manifests(context, aws)
        with context.unit("Prepare Rollback Data"):
            live = _prepare(context, aws, manifests)
        with context.unit("Deploy"):
            definition = services.register_task_definition(context, aws, manifests)
            request = services.create_request(aws, manifests, definition)
            if live is None:
                services.create(context, aws, request)
                scaling.apply(context, aws, manifests.service_name, own_scaling(manifests))
            else:
                _update(context, aws, manifests, request, live)
            services.log_running_tasks(context, aws, manifests.service_name)
    return StepResult(outputs={"serviceName": manifests.service_name})


def _prepare(context: StepContext, aws: Aws, manifests: ServiceManifests) -> JsonObject | None:
    """Keep the service as it is; return it, or None when there is no active one.

    What an earlier attempt kept still holds: a retried step finds the service half changed.
    """
    name = manifests.service_name
    found = services.describe(aws, name, include=["TAGS"]).get(name)
    live = found if services.is_active(found) else None
    earlier = rolling.from_wire(context.mapping("rollbackData").get(rolling.DEPLOY_STEP))
    if earlier is not None and earlier.service_name == name:
        context.keep_for_rollback(earlier.wire())
    elif live is None:
        context.log(f"Service {name} does not exist: this is its first deployment")
        context.keep_for_rollback(RollingState(service_name=name, request=None).wire())
    else:
        context.log(f"Service {name} runs {live.get('taskDefinition')}")
        context.keep_for_rollback(_state(aws, manifests, live).wire())
    return live


def _state(aws: Aws, manifests: ServiceManifests, live: JsonObject) -> RollingState:
    counts = (live.get("desiredCount"), manifests.service.get("desiredCount"))
    request = services.request_of(aws, live)
    request["desiredCount"] = max(int(str(count or 0)) for count in counts)
    name = manifests.service_name
    return RollingState(service_name=name, request=request, scaling=scaling.capture(aws, name))


def _update(
    context: StepContext,
    aws: Aws,
    manifests: ServiceManifests,
    request: Mapping[str, object],
    live: JsonObject,
) -> None:
    name = manifests.service_name
    skips_scaling = context.flag("skipApplicationScaling")
    if not skips_scaling:
        scaling.remove(context, aws, name)
    change = services.update_request(aws, request)
    if context.flag("sameAsAlreadyRunningInstances"):
        change.pop("desiredCount", None)
    if context.flag("forceNewDeployment") or manifests.task_definition is None:
        change["forceNewDeployment"] = True
    services.update(context, aws, change, live)
    if not skips_scaling:
        scaling.apply(context, aws, name, own_scaling(manifests))
