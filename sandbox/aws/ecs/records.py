"""What the local ECS remembers, as frozen records; it holds no behaviour and no wire shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.aws.ports import NetworkInterface
from sandbox.types import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyItem:
    """One item of a capacity provider strategy."""

    capacity_provider: str
    weight: int = 0
    base: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster."""

    arn: str
    name: str
    status: str = "ACTIVE"
    settings: Mapping[str, str] = field(default_factory=dict)
    configuration: JsonObject | None = None
    service_connect_defaults: JsonObject | None = None
    capacity_providers: tuple[str, ...] = ()
    default_strategy: tuple[StrategyItem, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """A registered revision of a family."""

    arn: str
    family: str
    revision: int
    status: str
    document: JsonObject
    """What was registered, with AWS's defaults filled in; the user's own document."""
    registered_at: datetime
    registered_by: str
    deregistered_at: datetime | None = None
    delete_requested_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The counter of a task definition family: revisions are never used twice."""

    name: str
    last_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """An `awsvpcConfiguration`."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...] = ()
    assign_public_ip: str = "DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """A service's load balancer: where which container's port is registered."""

    target_group_arn: str
    container_name: str
    container_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What a deployment deploys; a change of any of it starts a new deployment."""

    task_definition_arn: str
    launch_type: str = ""
    """Empty where a capacity provider strategy rules."""
    strategy: tuple[StrategyItem, ...] = ()
    platform_version: str = "LATEST"
    network: Network | None = None
    load_balancers: tuple[LoadBalancer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One rollout of a revision of a service."""

    id: str
    status: str
    """PRIMARY | ACTIVE"""
    revision: Revision
    created_at: datetime
    updated_at: datetime
    rollout_state: str = "IN_PROGRESS"
    """IN_PROGRESS | COMPLETED | FAILED"""
    rollout_reason: str = ""
    failed_tasks: int = 0
    """Tasks that failed one after the other since the last healthy one."""
    next_start_at: datetime | None = None
    """Back-off: no start before."""
    impaired_reported: bool = False
    stall_reported: bool = False
    image_digests: Mapping[str, str] = field(default_factory=dict)
    """Container name to digest, fixed by the deployment's first task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfiguration:
    """A service's `deploymentConfiguration`."""

    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    breaker_enabled: bool = False
    breaker_rolls_back: bool = False
    breaker_resets_on_healthy_task: bool = True
    breaker_threshold: JsonObject | None = None
    alarms: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service. `deployments` has the PRIMARY first."""

    arn: str
    name: str
    cluster_arn: str
    status: str
    """ACTIVE | DRAINING | INACTIVE"""
    desired_count: int
    deployments: tuple[Deployment, ...]
    configuration: DeploymentConfiguration
    created_at: datetime
    created_by: str
    client_token: str = ""
    health_check_grace_period_s: int | None = None
    scheduling_strategy: str = "REPLICA"
    zone_rebalancing: str = "ENABLED"
    enable_managed_tags: bool = False
    propagate_tags: str = "NONE"
    enable_execute_command: bool = False
    placement_constraints: tuple[JsonObject, ...] = ()
    placement_strategy: tuple[JsonObject, ...] = ()
    role_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    last_completed: Deployment | None = None
    """Where the circuit breaker rolls back to."""
    steady_since: datetime | None = None
    """When the last steady-state event was written; None while it is not steady."""
    inactive_at: datetime | None = None

    @property
    def primary(self) -> Deployment:
        """The deployment that the scheduler works towards."""
        return self.deployments[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """One line of a service's event list."""

    id: str
    created_at: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvents:
    """A service's events, newest first."""

    events: tuple[ServiceEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a task, as DescribeTasks shows it."""

    arn: str
    name: str
    image: str
    essential: bool = True
    image_digest: str = ""
    runtime_id: str = ""
    last_status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    health_status: str = "UNKNOWN"
    has_health_check: bool = False
    cpu: int = 0
    memory: int | None = None
    memory_reservation: int | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTarget:
    """A target group in which a task is, or is to be, a target."""

    target_group_arn: str
    container_name: str
    container_port: int
    registered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task and its life so far."""

    arn: str
    cluster_arn: str
    task_definition_arn: str
    created_at: datetime
    launch_type: str
    group: str
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    version: int = 1
    service_arn: str = ""
    deployment_id: str = ""
    started_by: str = ""
    capacity_provider: str = ""
    platform_version: str = "1.4.0"
    cpu: str = ""
    memory: str = ""
    network: Network | None = None
    subnet_id: str = ""
    interface: NetworkInterface | None = None
    attachment_id: str = ""
    availability_zone: str = ""
    containers: tuple[Container, ...] = ()
    overrides: JsonObject = field(default_factory=dict)
    targets: tuple[TaskTarget, ...] = ()
    address: str = ""
    """Where it is really served on this machine."""
    ports: Mapping[int, int] = field(default_factory=dict)
    enable_execute_command: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    client_token: str = ""
    connected_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    healthy_at: datetime | None = None
    """When the service scheduler first counted it as healthy."""
    accounted: bool = False
    """Whether the service scheduler has taken note of its end."""

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def is_wanted(self) -> bool:
        """True until something asked for its end."""
        return self.desired_status == "RUNNING"

    @property
    def health_checked(self) -> bool:
        """True when an essential container has a health check."""
        return any(c.essential and c.has_health_check for c in self.containers)

    @property
    def containers_healthy(self) -> bool:
        """True when every essential container with a health check is healthy."""
        checked = [c for c in self.containers if c.essential and c.has_health_check]
        return all(c.health_status == "HEALTHY" for c in checked)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCursor:
    """How far a container's output has been passed on."""

    offset_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSetting:
    """A value set by PutAccountSetting or PutAccountSettingDefault."""

    name: str
    value: str
    principal_arn: str
