"""Records in AWS's shapes; pure."""

from collections.abc import Iterable, Mapping, Sequence

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.launch import FARGATE_PLATFORM
from sandbox.aws.ecs.records import (
    Cluster,
    Container,
    Deployment,
    DeploymentConfiguration,
    LoadBalancer,
    Network,
    Revision,
    Service,
    ServiceEvents,
    StrategyItem,
    Task,
    TaskDefinition,
)
from sandbox.types import JsonObject


def failure(arn: str, reason: str = "MISSING") -> JsonObject:
    """Return one entry of a `failures` list."""
    return {"arn": arn, "reason": reason}


def strategy_items(items: Iterable[StrategyItem]) -> list[JsonObject]:
    """Return a capacity provider strategy."""
    return [
        {"capacityProvider": i.capacity_provider, "weight": i.weight, "base": i.base} for i in items
    ]


def cluster(
    record: Cluster, tasks: Sequence[Task], services: Sequence[Service], include: Sequence[str]
) -> JsonObject:
    """Return a cluster; `include` as in DescribeClusters."""
    shown: dict[str, object] = {
        "clusterArn": record.arn,
        "clusterName": record.name,
        "status": record.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": sum(t.last_status == "RUNNING" for t in tasks),
        "pendingTasksCount": sum(_is_pending(t) for t in tasks),
        "activeServicesCount": sum(s.status == "ACTIVE" for s in services),
        "statistics": [],
        "tags": p.wire_tags(record.tags) if "TAGS" in include else [],
        "settings": [],
        "capacityProviders": list(record.capacity_providers),
        "defaultCapacityProviderStrategy": strategy_items(record.default_strategy),
    }
    if "SETTINGS" in include:
        shown["settings"] = [{"name": k, "value": v} for k, v in record.settings.items()]
    if "CONFIGURATIONS" in include and record.configuration is not None:
        shown["configuration"] = record.configuration
    if record.service_connect_defaults is not None:
        shown["serviceConnectDefaults"] = record.service_connect_defaults
    return shown


def _is_pending(task: Task) -> bool:
    return task.is_wanted and task.last_status in {"PROVISIONING", "PENDING", "ACTIVATING"}


def task_definition(record: TaskDefinition) -> JsonObject:
    """Return a task definition."""
    return {
        **record.document,
        **p.present(
            taskDefinitionArn=record.arn,
            family=record.family,
            revision=record.revision,
            status=record.status,
            registeredAt=record.registered_at,
            registeredBy=record.registered_by,
            deregisteredAt=record.deregistered_at,
            deleteRequestedAt=record.delete_requested_at,
        ),
    }


def network(record: Network | None) -> JsonObject | None:
    """Return a network configuration."""
    if record is None:
        return None
    return {
        "awsvpcConfiguration": {
            "subnets": list(record.subnets),
            "securityGroups": list(record.security_groups),
            "assignPublicIp": record.assign_public_ip,
        }
    }


def _load_balancers(items: Iterable[LoadBalancer]) -> list[JsonObject]:
    return [
        {
            "targetGroupArn": i.target_group_arn,
            "containerName": i.container_name,
            "containerPort": i.container_port,
        }
        for i in items
    ]


def _capacity(revision: Revision) -> dict[str, object]:
    if revision.strategy:
        return {"capacityProviderStrategy": strategy_items(revision.strategy)}
    return {"launchType": revision.launch_type}


def _platform(revision: Revision) -> dict[str, object]:
    if revision.launch_type == "EC2":
        return {}
    return {"platformVersion": revision.platform_version, "platformFamily": "Linux"}


def _deployment_configuration(record: DeploymentConfiguration) -> JsonObject:
    breaker: dict[str, object] = {
        "enable": record.breaker_enabled,
        "rollback": record.breaker_rolls_back,
    }
    if not record.breaker_resets_on_healthy_task:
        breaker["resetOnHealthyTask"] = False
    if record.breaker_threshold is not None:
        breaker["thresholdConfiguration"] = record.breaker_threshold
    return p.present(
        deploymentCircuitBreaker=breaker,
        maximumPercent=record.maximum_percent,
        minimumHealthyPercent=record.minimum_healthy_percent,
        alarms=record.alarms,
        strategy="ROLLING",
        bakeTimeInMinutes=0,
    )


def _deployment(record: Deployment, service: Service, tasks: Sequence[Task]) -> JsonObject:
    mine = [t for t in tasks if t.deployment_id == record.id and t.is_wanted]
    platform = _platform(record.revision)
    if platform.get("platformVersion") == "LATEST":
        platform["platformVersion"] = FARGATE_PLATFORM
    desired = service.desired_count if record.status == "PRIMARY" else len(mine)
    return p.present(
        id=record.id,
        status=record.status,
        taskDefinition=record.revision.task_definition_arn,
        desiredCount=desired,
        pendingCount=sum(_is_pending(t) for t in mine),
        runningCount=sum(t.last_status == "RUNNING" for t in mine),
        failedTasks=record.failed_tasks,
        createdAt=record.created_at,
        updatedAt=record.updated_at,
        networkConfiguration=network(record.revision.network),
        rolloutState=record.rollout_state,
        rolloutStateReason=record.rollout_reason,
        **_capacity(record.revision),
        **platform,
    )


def service(
    record: Service, tasks: Sequence[Task], events: ServiceEvents | None, *, with_tags: bool
) -> JsonObject:
    """Return a service with its deployments and events."""
    revision = record.primary.revision
    wanted = [t for t in tasks if t.is_wanted]
    inactive = record.status == "INACTIVE"
    shown = p.present(
        serviceArn=record.arn,
        serviceName=record.name,
        clusterArn=record.cluster_arn,
        loadBalancers=_load_balancers(revision.load_balancers),
        serviceRegistries=[],
        status=record.status,
        desiredCount=record.desired_count,
        runningCount=sum(t.last_status == "RUNNING" for t in wanted),
        pendingCount=sum(_is_pending(t) for t in wanted),
        taskDefinition=revision.task_definition_arn,
        deploymentConfiguration=_deployment_configuration(record.configuration),
        deployments=[] if inactive else [_deployment(d, record, tasks) for d in record.deployments],
        roleArn=record.role_arn or None,
        events=_events(events),
        createdAt=record.created_at,
        createdBy=record.created_by,
        placementConstraints=list(record.placement_constraints),
        placementStrategy=list(record.placement_strategy),
        networkConfiguration=network(revision.network),
        healthCheckGracePeriodSeconds=record.health_check_grace_period_s,
        schedulingStrategy=record.scheduling_strategy,
        deploymentController={"type": "ECS"},
        enableECSManagedTags=record.enable_managed_tags,
        propagateTags=record.propagate_tags,
        enableExecuteCommand=record.enable_execute_command,
        availabilityZoneRebalancing=record.zone_rebalancing,
        **_capacity(revision),
        **_platform(revision),
    )
    if with_tags and record.tags:
        shown["tags"] = p.wire_tags(record.tags)
    return shown


def _events(record: ServiceEvents | None) -> list[JsonObject]:
    return [
        {"id": e.id, "createdAt": e.created_at, "message": e.message}
        for e in (record.events if record else ())
    ]


def task(record: Task, *, with_tags: bool) -> JsonObject:
    """Return a task."""
    provider = record.capacity_provider
    return p.present(
        attachments=_attachments(record),
        attributes=[{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        availabilityZone=record.availability_zone or None,
        capacityProviderName=provider or None,
        clusterArn=record.cluster_arn,
        connectivity="CONNECTED" if record.connected_at else None,
        connectivityAt=record.connected_at,
        containers=[_container(record, c) for c in record.containers],
        cpu=record.cpu,
        createdAt=record.created_at,
        desiredStatus=record.desired_status,
        enableExecuteCommand=record.enable_execute_command,
        executionStoppedAt=record.execution_stopped_at,
        group=record.group,
        healthStatus=task_health(record),
        lastStatus=record.last_status,
        launchType=record.launch_type,
        memory=record.memory,
        overrides=_overrides(record),
        platformVersion=record.platform_version,
        platformFamily="Linux",
        pullStartedAt=record.pull_started_at,
        pullStoppedAt=record.pull_stopped_at,
        startedAt=record.started_at,
        startedBy=record.started_by or None,
        stopCode=record.stop_code or None,
        stoppedAt=record.stopped_at,
        stoppedReason=record.stopped_reason or None,
        stoppingAt=record.stopping_at,
        tags=p.wire_tags(record.tags) if with_tags else [],
        taskArn=record.arn,
        taskDefinitionArn=record.task_definition_arn,
        version=record.version,
        ephemeralStorage={"sizeInGiB": 20},
    )


def task_health(record: Task) -> str:
    """Return the task's health: the worst of its essential containers' checks.

    Source: ECS developer guide, "Determine Amazon ECS task health using container health checks".
    """
    states = {c.health_status for c in record.containers if c.essential and c.has_health_check}
    if "UNHEALTHY" in states:
        return "UNHEALTHY"
    return "HEALTHY" if states == {"HEALTHY"} else "UNKNOWN"


def _attachments(record: Task) -> list[JsonObject]:
    interface = record.interface
    if interface is None:
        return []
    details: Mapping[str, str] = {
        "subnetId": interface.subnet_id,
        "networkInterfaceId": interface.id,
        "macAddress": interface.mac_address,
        "privateDnsName": f"ip-{interface.private_ipv4_address.replace('.', '-')}.ec2.internal",
        "privateIPv4Address": interface.private_ipv4_address,
    }
    return [
        {
            "id": record.attachment_id,
            "type": "ElasticNetworkInterface",
            "status": "DELETED" if record.last_status == "STOPPED" else "ATTACHED",
            "details": [{"name": k, "value": v} for k, v in details.items()],
        }
    ]


def _container(record: Task, container: Container) -> JsonObject:
    interfaces: list[JsonObject] = []
    if record.interface is not None:
        interfaces.append(
            {
                "attachmentId": record.attachment_id,
                "privateIpv4Address": record.interface.private_ipv4_address,
            }
        )
    return p.present(
        containerArn=container.arn,
        taskArn=record.arn,
        name=container.name,
        image=container.image,
        imageDigest=container.image_digest or None,
        runtimeId=container.runtime_id or None,
        lastStatus=container.last_status,
        exitCode=container.exit_code,
        reason=container.reason or None,
        networkBindings=[],
        networkInterfaces=interfaces,
        healthStatus=container.health_status,
        cpu=str(container.cpu),
        memory=_optional(container.memory),
        memoryReservation=_optional(container.memory_reservation),
    )


def _optional(value: int | None) -> str | None:
    return None if value is None else str(value)


def _overrides(record: Task) -> JsonObject:
    """Return the overrides; ECS names every container in them."""
    given = {p.text(o, "name"): o for o in p.members(record.overrides, "containerOverrides")}
    return {
        "inferenceAcceleratorOverrides": [],
        **record.overrides,
        "containerOverrides": [given.get(c.name, {"name": c.name}) for c in record.containers],
    }
