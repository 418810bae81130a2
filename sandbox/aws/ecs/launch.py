"""New task records, for a service or for RunTask: what they run, where, under which provider; pure.

Source: ECS developer guide, "Amazon ECS capacity providers" (base first, then by weight).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.aws.ecs import arns
from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.containers import ContainerDefinition, container_definitions
from sandbox.aws.ecs.records import (
    Cluster,
    Container,
    Deployment,
    Network,
    Service,
    StrategyItem,
    Task,
    TaskDefinition,
    TaskTarget,
)
from sandbox.types import JsonObject

FARGATE_PLATFORM = "1.4.0"
"""What LATEST means. Source: ECS developer guide, "Fargate platform versions for Linux"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the tasks of one call have in common."""

    group: str
    network: Network | None
    launch_type: str = ""
    strategy: Sequence[StrategyItem] = ()
    platform_version: str = "LATEST"
    started_by: str = ""
    service_arn: str = ""
    deployment_id: str = ""
    targets: tuple[TaskTarget, ...] = ()
    overrides: JsonObject = field(default_factory=dict)
    enable_execute_command: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    client_token: str = ""


def service_launch(
    service: Service, deployment: Deployment, cluster: Cluster, definition: TaskDefinition
) -> Launch:
    """Return how the tasks of a deployment are launched."""
    revision = deployment.revision
    tags: dict[str, str] = {}
    if service.propagate_tags == "SERVICE":
        tags.update(service.tags)
    elif service.propagate_tags == "TASK_DEFINITION":
        tags.update(definition.tags)
    if service.enable_managed_tags:
        tags["aws:ecs:clusterName"] = cluster.name
        tags["aws:ecs:serviceName"] = service.name
    return Launch(
        group=f"service:{service.name}",
        network=revision.network,
        launch_type=revision.launch_type,
        strategy=revision.strategy,
        platform_version=revision.platform_version,
        started_by=deployment.id,
        service_arn=service.arn,
        deployment_id=deployment.id,
        targets=tuple(
            TaskTarget(
                target_group_arn=lb.target_group_arn,
                container_name=lb.container_name,
                container_port=lb.container_port,
            )
            for lb in revision.load_balancers
        ),
        enable_execute_command=service.enable_execute_command,
        tags=tags,
    )


def new_tasks(
    launch: Launch,
    cluster: Cluster,
    definition: TaskDefinition,
    *,
    count: int,
    beside: Iterable[Task],
    now: datetime,
) -> list[Task]:
    """Return `count` new records, spread over subnets and providers with those `beside`."""
    subnets = Counter(t.subnet_id for t in beside)
    providers = Counter(t.capacity_provider for t in beside)
    made = []
    for _ in range(count):
        subnet = _pick_subnet(launch.network, subnets)
        provider = pick_provider(launch.strategy, providers)
        subnets[subnet] += 1
        providers[provider] += 1
        made.append(_task(launch, cluster, definition, subnet=subnet, provider=provider, now=now))
    return made


def _pick_subnet(network: Network | None, used: Counter[str]) -> str:
    if network is None:
        return ""
    return min(network.subnets, key=lambda subnet: used[subnet])


def pick_provider(strategy: Sequence[StrategyItem], used: Counter[str]) -> str:
    """Return the provider of the next task, or an empty string without a strategy."""
    for item in strategy:
        if used[item.capacity_provider] < item.base:
            return item.capacity_provider
    weighted = [item for item in strategy if item.weight > 0] or list(strategy)
    if not weighted:
        return ""

    def load(item: StrategyItem) -> float:
        return (used[item.capacity_provider] - item.base + 1) / (item.weight or 1)

    return min(weighted, key=load).capacity_provider


def _task(
    launch: Launch,
    cluster: Cluster,
    definition: TaskDefinition,
    *,
    subnet: str,
    provider: str,
    now: datetime,
) -> Task:
    scope = arns.scope_of(cluster.arn)
    task_id = arns.new_task_id()
    overrides, document = launch.overrides, definition.document
    latest = launch.platform_version in {"", "LATEST"}
    return Task(
        arn=scope.task(cluster.name, task_id),
        cluster_arn=cluster.arn,
        task_definition_arn=definition.arn,
        created_at=now,
        launch_type="FARGATE" if provider else launch.launch_type,
        group=launch.group,
        service_arn=launch.service_arn,
        deployment_id=launch.deployment_id,
        started_by=launch.started_by,
        capacity_provider=provider,
        platform_version=FARGATE_PLATFORM if latest else launch.platform_version,
        cpu=p.text(overrides, "cpu") or p.text(document, "cpu"),
        memory=p.text(overrides, "memory") or p.text(document, "memory"),
        network=launch.network,
        subnet_id=subnet,
        containers=tuple(
            _container(scope.container(cluster.name, task_id), c)
            for c in container_definitions(definition, overrides)
        ),
        overrides=overrides,
        targets=launch.targets,
        enable_execute_command=launch.enable_execute_command,
        tags=launch.tags,
        client_token=launch.client_token,
    )


def _container(arn: str, definition: ContainerDefinition) -> Container:
    return Container(
        arn=arn,
        name=definition.name,
        image=definition.image,
        essential=definition.essential,
        has_health_check=definition.health_check is not None,
        cpu=definition.cpu,
        memory=definition.memory,
        memory_reservation=definition.memory_reservation,
    )
