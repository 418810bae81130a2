"""`EcsBlueGreenCreateService`: the new version as a service of its own, without users yet.

Source: harness.md 3.2 (EcsBlueGreenCreateServiceCommandTaskHandler); the part for
`isTrafficShift` is Unverified beyond the step reference. Run twice: the new service is
deleted and made anew.
"""

from dataclasses import replace

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import blue_green, outcomes, rules, scaling, services
from fake_harness.delegate.ecs.aws import Aws, aws_failures, connect
from fake_harness.delegate.ecs.blue_green import GREEN, TAG, OldService, Release
from fake_harness.delegate.ecs.manifests import ServiceManifests, read_manifests
from fake_harness.delegate.ecs.rolling import own_scaling
from fake_harness.delegate.ecs.rules import ListenerRule, TargetGroups
from fake_harness.delegate.results import JsonObject, StepResult

_WHOLE = 100


def create_service(context: StepContext) -> StepResult:
    """Create (or update) the stage service behind the stage target group."""
    with aws_failures():
        with context.unit("Fetch Manifests"):
            aws = connect(context)
            prod, stage, groups = _balancer(context, aws)
            manifests = read_manifests(context, aws, target_group_arn=groups.stage)
        with context.unit("Prepare Rollback Data"):
            found = _services(aws, manifests)
            release = _release(context, aws, manifests, (prod, stage, groups), found)
            context.keep_for_rollback(release.wire())
        with context.unit("Deploy"):
            _free_the_stage(context, aws, prod, release)
            created = _deploy(context, aws, manifests, release, found)
            services.log_running_tasks(context, aws, release.new_service)
    outcome = {**outcomes.created(release), "isNewServiceCreated": created}
    return StepResult(outputs=outcome)


def _balancer(context: StepContext, aws: Aws) -> tuple[ListenerRule, ListenerRule, TargetGroups]:
    """Return the prod rule, the stage rule (one and the same in a shift), and their groups."""
    name = context.text("loadBalancer")
    balancer = rules.load_balancer_arn(aws, name)
    listener = context.text("prodListener")
    rules.require_listener(aws, balancer, listener)
    prod = rules.read_rule(aws, listener, context.text("prodListenerRuleArn", ""))
    if context.flag("isTrafficShift"):
        groups = rules.choose_target_groups(prod, context.text("stageTargetGroupArn", ""))
        stage = prod
    else:
        stage_listener = context.text("stageListener")
        stage_rule = context.text("stageListenerRuleArn", "")
        stage = rules.read_rule(aws, stage_listener, stage_rule)
        groups = TargetGroups(
            prod=rules.first_target_group(prod), stage=rules.first_target_group(stage)
        )
    context.log(f"Prod target group: {groups.prod}")
    context.log(f"Stage target group: {groups.stage}")
    return prod, stage, groups


def _services(aws: Aws, manifests: ServiceManifests) -> dict[str, JsonObject]:
    base = manifests.service_name
    return services.describe(aws, f"{base}__1", f"{base}__2", include=["TAGS"])


def _release(
    context: StepContext,
    aws: Aws,
    manifests: ServiceManifests,
    balancer: tuple[ListenerRule, ListenerRule, TargetGroups],
    found: dict[str, JsonObject],
) -> Release:
    prod, stage, groups = balancer
    blue = blue_green.blue_of(found, groups)
    if blue is None:
        context.log("No service is tagged BLUE: this is the first deployment")
    else:
        context.log(f"Blue service: {blue}")
    is_shift = context.flag("isTrafficShift")
    prod = _settled(prod, groups, is_shift=is_shift)
    return Release(
        load_balancer=context.text("loadBalancer"),
        prod=prod,
        stage=prod if is_shift else stage,
        groups=groups,
        is_traffic_shift=is_shift,
        defers_scaling=context.flag("enableAutoScalingInSwapStep"),
        new_service=blue_green.other_name(manifests.service_name, blue),
        old=None if blue is None else _old(context, aws, manifests, found[blue]),
    )


def _old(
    context: StepContext, aws: Aws, manifests: ServiceManifests, blue: JsonObject
) -> OldService:
    """Return the live service as it was before this stage touched it.

    A retried step finds it without its scaling, which the first attempt took away.
    """
    earlier = blue_green.release_of(context)
    if earlier is not None and earlier.old and earlier.old.name == blue["serviceName"]:
        return earlier.old
    counts = (blue.get("desiredCount"), manifests.service.get("desiredCount"))
    request = services.request_of(aws, blue)
    request["desiredCount"] = max(int(str(count or 0)) for count in counts)
    name = str(blue["serviceName"])
    return OldService(name=name, request=request, scaling=scaling.capture(aws, name))


def _settled(prod: ListenerRule, groups: TargetGroups, *, is_shift: bool) -> ListenerRule:
    """Return the prod rule as a rollback must leave it: the stage gets nothing.

    An earlier shift may have been left half done; its targets are about to be replaced.
    """
    if not is_shift or not rules.is_shared(prod):
        return prod
    return replace(prod, actions=rules.shifted(prod, {groups.prod: _WHOLE, groups.stage: 0}))


def _free_the_stage(context: StepContext, aws: Aws, found: ListenerRule, release: Release) -> None:
    """Give prod all the traffic back, where an earlier shift was left half done.

    Unverified: Harness does not say what it does here; replacing targets that still get a
    share of the requests would lose them.
    """
    if found != release.prod:
        context.log("An earlier traffic shift was not finished; prod takes all back", level="WARN")
        rules.set_actions(context, aws, release.prod, release.prod.actions)


def _deploy(
    context: StepContext,
    aws: Aws,
    manifests: ServiceManifests,
    release: Release,
    found: dict[str, JsonObject],
) -> bool:
    """Make the new service; False when an existing one was updated instead."""
    name, green = release.new_service, found.get(release.new_service)
    if release.old is not None:
        blue_green.tag(context, aws, found[release.old.name], blue_green.BLUE)
        if release.prod.arn == release.stage.arn:
            scaling.remove(context, aws, release.old.name)
    definition = services.register_task_definition(context, aws, manifests)
    request = _request(context, aws, manifests, definition, release)
    updates = green is not None and services.is_active(green) and context.flag("updateGreenService")
    if updates and green is not None:
        scaling.remove(context, aws, name)
        change = services.update_request(aws, request)
        services.update(context, aws, {**change, "forceNewDeployment": True}, green)
        blue_green.tag(context, aws, green, GREEN)
    else:
        if services.is_active(green):
            services.delete(context, aws, name)
        services.create(context, aws, request)
    if not release.defers_scaling:
        scaling.apply(context, aws, name, own_scaling(manifests))
    return not updates


def _request(
    context: StepContext,
    aws: Aws,
    manifests: ServiceManifests,
    definition: str,
    release: Release,
) -> dict[str, object]:
    given = manifests.service.get("tags")
    tags = [row for row in given if row.get("key") != TAG] if isinstance(given, list) else []
    changes: dict[str, object] = {
        "serviceName": release.new_service,
        "tags": [*tags, {"key": TAG, "value": GREEN}],
    }
    if context.flag("sameAsAlreadyRunningInstances") and release.old is not None:
        changes["desiredCount"] = release.old.request["desiredCount"]
    return services.create_request(aws, manifests, definition, **changes)
