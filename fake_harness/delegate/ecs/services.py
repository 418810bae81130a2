"""ECS services: look, create, update, delete, and wait until one is steady or gone.

Source: harness.md 3.2 (EcsCommandTaskNGHelper): the calls and their order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from botocore.exceptions import WaiterError

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.ecs.manifests import ServiceManifests
from fake_harness.delegate.ecs.shapes import filtered
from fake_harness.delegate.ecs.steady import ServiceEvents, await_steady_state
from fake_harness.delegate.results import JsonObject, StepFailedError

_INACTIVE_DELAY_S = 15.0
"""Of botocore's and the Java SDK's `services-inactive` waiter."""
_NEVER_UPDATED = frozenset({"deploymentController"})
"""In UpdateService's shape by now, but never sent by Harness."""


def describe(aws: Aws, *names: str, include: Sequence[str] = ()) -> dict[str, JsonObject]:
    """Return the services that exist (INACTIVE ones too), by name."""
    request: dict[str, object] = {"cluster": aws.cluster, "services": list(names)}
    if include:
        request["include"] = list(include)
    found = aws.ecs.describe_services(**request)["services"]
    return {str(service["serviceName"]): service for service in found}


def is_active(service: JsonObject | None) -> bool:
    """True for a service that runs, or may."""
    return service is not None and service.get("status") == "ACTIVE"


def register_task_definition(context: StepContext, aws: Aws, manifests: ServiceManifests) -> str:
    """Register the manifest's task definition, or take the one that the service names."""
    if manifests.task_definition is None:
        context.log(f"Task definition {manifests.task_definition_arn} is used as it is.")
        return manifests.task_definition_arn
    family = manifests.task_definition.get("family")
    context.log(f"Registering task definition with family {family}")
    made = aws.ecs.register_task_definition(**manifests.task_definition)
    arn = str(made["taskDefinition"]["taskDefinitionArn"])
    context.log(f"Registered task definition {arn}")
    return arn


def create(context: StepContext, aws: Aws, request: JsonObject) -> JsonObject:
    """Create a service, after an older one of its name has drained, and await its steadiness."""
    name = str(request["serviceName"])
    found = describe(aws, name).get(name)
    if found is not None and found.get("status") == "DRAINING":
        context.log(f"Service {name} is draining; waiting until it is inactive")
        await_inactive(context, aws, name)
    return create_absent(context, aws, request)


def create_absent(context: StepContext, aws: Aws, request: JsonObject) -> JsonObject:
    """Create a service whose name is known to be free, and await its steadiness."""
    name = str(request["serviceName"])
    context.log(
        f"Creating service {name} with task definition {request.get('taskDefinition')} "
        f"and desired count {request.get('desiredCount')}"
    )
    made = cast("JsonObject", aws.ecs.create_service(**request)["service"])
    context.log(f"Created service {name} with ARN {made.get('serviceArn')}")
    await_steady_state(context, aws, name, begun=made, events=ServiceEvents(context))
    return made


def update(context: StepContext, aws: Aws, request: JsonObject, live: JsonObject) -> None:
    """Update a service and await its steadiness; an equal one is left as it is."""
    name = str(request["service"])
    events = ServiceEvents(context, seen=live)
    begun = live
    if request.get("forceNewDeployment") or not is_contained(_settings(request), live):
        context.log(
            f"Updating service {name} with task definition {request.get('taskDefinition')} "
            f"and desired count {request.get('desiredCount', 'unchanged')}"
        )
        begun = aws.ecs.update_service(**request)["service"]
    else:
        context.log(f"Service {name} is already up to date")
    await_steady_state(context, aws, name, begun=begun, events=events)


def scale(context: StepContext, aws: Aws, name: str, desired_count: int) -> JsonObject:
    """Set the desired count; the service moves there by itself."""
    context.log(f"Setting the desired count of service {name} to {desired_count}")
    answer = aws.ecs.update_service(cluster=aws.cluster, service=name, desiredCount=desired_count)
    return cast("JsonObject", answer["service"])


def delete(context: StepContext, aws: Aws, name: str) -> None:
    """Delete a service with its tasks and wait until it is inactive; an absent one is fine."""
    context.log(f"Deleting service {name}")
    try:
        aws.ecs.delete_service(cluster=aws.cluster, service=name, force=True)
    except aws.ecs.exceptions.ServiceNotFoundException:
        context.log(f"Service {name} does not exist")
        return
    await_inactive(context, aws, name)
    context.log(f"Deleted service {name}")


def await_inactive(context: StepContext, aws: Aws, name: str) -> None:
    """Wait for the SDK's `services-inactive` condition.

    Raises:
        StepFailedError: of type TIMEOUT, when the step's time is over before that.
    """
    delay_s = max(0.3, _INACTIVE_DELAY_S / context.facts.time_scale)
    attempts = max(1, int(context.remaining_s / delay_s))
    waiter = aws.ecs.get_waiter("services_inactive")
    try:
        waiter.wait(
            cluster=aws.cluster,
            services=[name],
            WaiterConfig={"Delay": delay_s, "MaxAttempts": attempts},
        )
    except WaiterError as error:
        message = f"Service {name} did not become inactive: {error}"
        raise StepFailedError(message, "TIMEOUT_ERROR") from error


def log_running_tasks(context: StepContext, aws: Aws, name: str) -> None:
    """Look the running tasks up, as Harness does for its list of instances."""
    listed = aws.ecs.list_tasks(cluster=aws.cluster, serviceName=name, desiredStatus="RUNNING")
    arns = listed["taskArns"]
    if not arns:
        context.log(f"Service {name} runs no task")
        return
    tasks = aws.ecs.describe_tasks(cluster=aws.cluster, tasks=arns)["tasks"]
    for task in tasks:
        definition = str(task["taskDefinitionArn"]).rpartition("/")[2]
        context.log(f"Task {task['taskArn']} is {task['lastStatus']} ({definition})")


def create_request(
    aws: Aws, manifests: ServiceManifests, task_definition: str, **changes: object
) -> dict[str, Any]:
    """Build CreateService from the service definition."""
    return {
        **manifests.service,
        "cluster": aws.cluster,
        "taskDefinition": task_definition,
        **changes,
    }


def update_request(aws: Aws, request: JsonObject) -> dict[str, Any]:
    """Build UpdateService from a CreateService request."""
    shape = aws.ecs.meta.service_model.operation_model("UpdateService").input_shape
    kept = {key: value for key, value in request.items() if key not in _NEVER_UPDATED}
    made = filtered(kept, shape)
    return {**made, "service": request["serviceName"]}


def request_of(aws: Aws, service: JsonObject) -> dict[str, Any]:
    """Return the CreateService request that would make a described service again."""
    shape = aws.ecs.meta.service_model.operation_model("CreateService").input_shape
    primary = _primary(service)
    inner = {
        key: primary[key]
        for key in ("serviceConnectConfiguration", "volumeConfigurations")
        if primary.get(key)
    }
    role = str(service.get("roleArn") or "")
    merged = {
        **service,
        **inner,
        "cluster": service.get("clusterArn"),
        # A service-linked role is chosen by ECS and refused in a request.
        "role": None if "/aws-service-role/" in role else role or None,
    }
    made = cast("dict[str, Any]", filtered(merged, shape))
    if not made.get("loadBalancers"):
        made.pop("healthCheckGracePeriodSeconds", None)
    if made.get("capacityProviderStrategy"):
        made.pop("launchType", None)
    return {key: value for key, value in made.items() if value not in ([], {})}


def is_contained(wanted: object, live: object) -> bool:
    """True when `live` has everything that `wanted` says; defaults that AWS added may be there."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            is_contained(value, live.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(live, list):
        same = len(wanted) == len(live)
        return same and all(is_contained(w, have) for w, have in zip(wanted, live, strict=True))
    return wanted == live


def _settings(request: JsonObject) -> JsonObject:
    names = {"cluster", "service", "forceNewDeployment"}
    return {key: value for key, value in request.items() if key not in names}


def _primary(service: JsonObject) -> JsonObject:
    deployments = service.get("deployments")
    rows = deployments if isinstance(deployments, Sequence) else ()
    return next((row for row in rows if row.get("status") == "PRIMARY"), {})
