"""The steady state of a service, judged as Harness judges it, and its events in the log.

Source: harness.md 3.2, "Steady state rule". Unverified: Harness itself does not look at
`rolloutState`: it waits for the timeout after ECS gave a deployment up. Here such a step
fails at once, with ECS's reason, and so it does when ECS's circuit breaker went back to the
previous deployment, which the rule alone would take for success.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import Aws
from fake_harness.delegate.ecs.poll import Poll
from fake_harness.delegate.results import JsonObject, StepFailedError

POLL_S = 10.0
_STEADY = "has reached a steady state."


class ServiceEvents:
    """Writes each event of a service to the step's log, once.

    Args:
        context: of the step.
        seen: the service before the step changed it; its events are old.
    """

    def __init__(self, context: StepContext, *, seen: JsonObject | None = None) -> None:
        self._context = context
        self._seen = {str(row.get("id")) for row in _rows(seen or {}, "events")}

    def show(self, service: JsonObject) -> None:
        """Write what is new, oldest first."""
        for event in reversed(_rows(service, "events")):
            if str(event.get("id")) in self._seen:
                continue
            self._seen.add(str(event.get("id")))
            when = _time(event.get("createdAt"))
            stamp = when.isoformat(timespec="milliseconds") if when else "-"
            self._context.log(f"# AWS Event: {stamp} {event.get('message')}")


def await_steady_state(
    context: StepContext, aws: Aws, name: str, *, begun: JsonObject, events: ServiceEvents
) -> JsonObject:
    """Wait until a service is steady, writing its events to the log; return it.

    Args:
        context: of the step.
        aws: where.
        name: of the service.
        begun: the service as the call that began the deployment answered it.
        events: knows which events are old.

    Raises:
        StepFailedError: the deployment failed, or (type TIMEOUT) the time is over.
    """
    deployment_id = str(_primary(begun).get("id") or "")
    poll = Poll(context, interval_s=POLL_S, what=f"service {name} to reach a steady state")
    context.log(f"Waiting for service {name} to reach a steady state")
    while True:
        answer = aws.ecs.describe_services(cluster=aws.cluster, services=[name])
        if not answer["services"]:
            raise StepFailedError(f"Service {name} does not exist any more.", "APPLICATION_ERROR")
        service = cast("JsonObject", answer["services"][0])
        events.show(service)
        failure = failure_of(service, deployment_id)
        if failure:
            why = stopped_because(aws, name, deployment_id)
            raise StepFailedError(f"Service {name}: {failure}{why}", "APPLICATION_ERROR")
        if is_steady(service):
            context.log(f"Service {name} reached a steady state")
            return service
        poll.pause()


def is_steady(service: JsonObject) -> bool:
    """True when one deployment is left and the newest steady-state event is not older."""
    deployments = _rows(service, "deployments")
    if len(deployments) != 1:
        return False
    updated = _time(deployments[0].get("updatedAt"))
    reached = [
        when
        for row in _rows(service, "events")
        if str(row.get("message")).endswith(_STEADY) and (when := _time(row.get("createdAt")))
    ]
    return updated is not None and bool(reached) and max(reached) >= updated


def failure_of(service: JsonObject, deployment_id: str) -> str:
    """Return why the deployment that the step began cannot succeed, or nothing."""
    deployments = _rows(service, "deployments")
    own = next((row for row in deployments if row.get("id") == deployment_id), None)
    if own is not None and own.get("rolloutState") == "FAILED":
        return f"deployment {deployment_id} failed: {own.get('rolloutStateReason')}"
    if own is None and deployment_id and deployments:
        primary = deployments[0]
        return (
            f"deployment {deployment_id} was replaced by {primary.get('id')} "
            f"({primary.get('rolloutStateReason')})"
        )
    return ""


def stopped_because(aws: Aws, name: str, deployment_id: str) -> str:
    """Return why the newest stopped task of a deployment stopped, as the end of a sentence.

    ECS's own reason is only that tasks failed to start; people then look at the tasks.
    """
    arns = aws.ecs.list_tasks(cluster=aws.cluster, serviceName=name, desiredStatus="STOPPED")
    if not arns["taskArns"]:
        return ""
    found = aws.ecs.describe_tasks(cluster=aws.cluster, tasks=arns["taskArns"][:100])["tasks"]
    own = [task for task in found if task.get("startedBy") == deployment_id]
    if not own:
        return ""
    newest = max(own, key=lambda task: task["createdAt"])
    codes = [f"{c['name']} exited {c['exitCode']}" for c in newest["containers"] if "exitCode" in c]
    shown = f" ({', '.join(codes)})" if codes else ""
    return f" Its newest task stopped: {newest.get('stoppedReason')}{shown}"


def _primary(service: JsonObject) -> JsonObject:
    rows = _rows(service, "deployments")
    return next((row for row in rows if row.get("status") == "PRIMARY"), {})


def _rows(service: JsonObject, name: str) -> Sequence[JsonObject]:
    value = service.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
