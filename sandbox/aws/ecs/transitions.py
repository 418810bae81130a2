"""How a task's record changes along its life; pure, and the only place that does it.

PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED.
Source: ECS developer guide, "Amazon ECS task lifecycle".
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sandbox.aws.ecs.records import Container, Task, TaskTarget
from sandbox.aws.ports import NetworkInterface
from sandbox.aws.runtime.port import ContainerObservation, ContainerState, TaskObservation

ESSENTIAL_EXITED = "Essential container in task exited"
_CONTAINER_STATUS = {
    ContainerState.CREATED: "PENDING",
    ContainerState.RUNNING: "RUNNING",
    ContainerState.STOPPED: "STOPPED",
}


def provisioned(task: Task, interface: NetworkInterface | None, zone: str, now: datetime) -> Task:
    """The network interface is attached."""
    return replace(
        task,
        interface=interface,
        availability_zone=zone,
        attachment_id=task.attachment_id or str(uuid.uuid4()),
        last_status="PENDING",
        connected_at=task.connected_at or now,
    )


def pulling(task: Task, now: datetime) -> Task:
    """Its images are being pulled."""
    return replace(task, pull_started_at=task.pull_started_at or now)


def prepared(task: Task, digests: Mapping[str, str], now: datetime) -> Task:
    """Its images and secrets are here."""
    if task.last_status != "PENDING":
        return task
    containers = tuple(
        replace(c, image_digest=digests.get(c.name, c.image_digest)) for c in task.containers
    )
    return replace(task, containers=containers, pull_stopped_at=now, last_status="ACTIVATING")


def observed(task: Task, observation: TaskObservation) -> Task:
    """Take over what the runtime says."""
    by_name = {c.name: c for c in observation.containers}
    containers = tuple(
        _container(c, by_name[c.name]) if c.name in by_name else c for c in task.containers
    )
    return replace(
        task,
        containers=containers,
        address=observation.address,
        ports=dict(observation.ports),
    )


def _container(container: Container, seen: ContainerObservation) -> Container:
    return replace(
        container,
        runtime_id=seen.runtime_id,
        image_digest=seen.image_digest or container.image_digest,
        last_status=_CONTAINER_STATUS[seen.state],
        exit_code=seen.exit_code,
        reason=seen.reason or container.reason,
        health_status=seen.health.value if container.has_health_check else "UNKNOWN",
        started_at=seen.started_at,
    )


def container_failed(task: Task, name: str, reason: str) -> Task:
    """One of its containers could not start."""
    containers = tuple(
        replace(c, last_status="STOPPED", reason=reason) if c.name == name else c
        for c in task.containers
    )
    return replace(task, containers=containers)


def running(task: Task, now: datetime) -> Task:
    """All its containers have started."""
    if not task.is_wanted:
        return task
    return replace(task, last_status="RUNNING", started_at=task.started_at or now)


def target_changed(task: Task, target: TaskTarget, *, registered: bool) -> Task:
    """It entered or left a target group."""
    targets = tuple(
        replace(t, registered=registered)
        if (t.target_group_arn, t.container_port)
        == (target.target_group_arn, target.container_port)
        else t
        for t in task.targets
    )
    return replace(task, targets=targets)


def stop_requested(task: Task, *, code: str, reason: str, now: datetime) -> Task:
    """Something wants its end; the first cause stays."""
    if not task.is_wanted:
        return task
    return replace(
        task,
        desired_status="STOPPED",
        stop_code=code,
        stopped_reason=reason,
        stopping_at=now,
    )


def essential_exited(task: Task, now: datetime) -> Task:
    """An essential container ended by itself."""
    started = min((c.started_at for c in task.containers if c.started_at), default=None)
    return stop_requested(
        replace(task, started_at=task.started_at or started),
        code="EssentialContainerExited",
        reason=ESSENTIAL_EXITED,
        now=now,
    )


def vanished(task: Task, now: datetime) -> Task:
    """The runtime no longer holds it, as after a restart of the machine.

    Unverified: AWS has no such case on Fargate; the nearest is a lost essential container.
    """
    containers = tuple(
        c
        if c.last_status == "STOPPED"
        else replace(c, last_status="STOPPED", reason="The container is gone from the machine")
        for c in task.containers
    )
    return essential_exited(replace(task, containers=containers), now)


def deactivating(task: Task) -> Task:
    """Its targets drain."""
    return replace(task, last_status="DEACTIVATING")


def stopping(task: Task) -> Task:
    """Its containers are asked to end."""
    return replace(task, last_status="STOPPING")


def deprovisioning(task: Task, now: datetime) -> Task:
    """Its containers have ended."""
    containers = tuple(replace(c, last_status="STOPPED") for c in task.containers)
    return replace(
        task,
        containers=containers,
        last_status="DEPROVISIONING",
        execution_stopped_at=task.execution_stopped_at or now,
    )


def stopped(task: Task, now: datetime) -> Task:
    """Nothing is left of it but its record."""
    return replace(task, last_status="STOPPED", stopped_at=now)
