"""What CreateService, UpdateService and RunTask may ask for; it reads other services, writes none.

Source: ECS API Reference, CreateService and RunTask; wording as AWS's clients report it.
"""

from dataclasses import dataclass

from sandbox.aws.ecs import arns
from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.cluster_operations import strategy
from sandbox.aws.ecs.containers import container_definitions
from sandbox.aws.ecs.exceptions import client_exception, invalid_parameter
from sandbox.aws.ecs.prepare import unassumable
from sandbox.aws.ecs.records import (
    Cluster,
    DeploymentConfiguration,
    LoadBalancer,
    Network,
    StrategyItem,
    TaskDefinition,
)
from sandbox.aws.ports import NetworkPlane, RolePlane, TargetRegistrar
from sandbox.errors import not_implemented
from sandbox.types import JsonObject

_NOT_BUILT = (
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Where tasks run: a launch type, or a strategy."""

    launch_type: str
    strategy: tuple[StrategyItem, ...]


def capacity(params: JsonObject, cluster: Cluster, definition: TaskDefinition) -> Capacity:
    """Resolve launch type and capacity provider strategy as ECS does.

    Raises:
        AwsError: InvalidParameterException.

    """
    launch_type = p.text(params, "launchType")
    items = strategy(params, "capacityProviderStrategy")
    if launch_type and items:
        raise invalid_parameter(
            "Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again."
        )
    if launch_type in {"EXTERNAL", "MANAGED_INSTANCES"}:
        raise not_implemented("ecs", "launchType", launch_type)
    if not launch_type and not items:
        items = cluster.default_strategy
    for item in items:
        if item.capacity_provider not in cluster.capacity_providers:
            raise invalid_parameter(
                "The specified capacity provider strategy contains a capacity provider that is "
                "not associated with the cluster. Associate the capacity provider with the "
                "cluster and try again."
            )
    kind = "" if items else launch_type or "EC2"
    needed = "FARGATE" if items else kind
    if needed not in p.texts(definition.document, "compatibilities"):
        raise invalid_parameter(f"Task definition does not support launch_type {needed}.")
    if kind == "EC2" and p.text(params, "platformVersion"):
        raise invalid_parameter(
            "The platform version must be null when specifying an EC2 launch type."
        )
    return Capacity(launch_type=kind, strategy=items)


def check_supported(operation: str, params: JsonObject) -> None:
    """Refuse loudly what is not built.

    Raises:
        AwsError: NotImplemented, naming the field.

    """
    for key in _NOT_BUILT:
        if params.get(key):
            raise not_implemented("ecs", operation, key)
    if p.flag(p.member(params, "serviceConnectConfiguration"), "enabled"):
        raise not_implemented("ecs", operation, "serviceConnectConfiguration")
    controller = p.text(p.member(params, "deploymentController"), "type") or "ECS"
    if controller != "ECS":
        raise not_implemented("ecs", operation, f"deploymentController {controller}")
    configuration = p.member(params, "deploymentConfiguration")
    kind = p.text(configuration, "strategy") or "ROLLING"
    if kind != "ROLLING":
        raise not_implemented("ecs", operation, f"deployment strategy {kind}")
    for key in ("lifecycleHooks", "linearConfiguration", "canaryConfiguration"):
        if configuration.get(key):
            raise not_implemented("ecs", operation, f"deploymentConfiguration.{key}")
    if p.flag(p.member(configuration, "alarms"), "enable"):
        raise not_implemented("ecs", operation, "deploymentConfiguration.alarms")


def deployment_configuration(
    params: JsonObject, current: DeploymentConfiguration
) -> DeploymentConfiguration:
    """Return the deployment configuration after a request.

    Raises:
        AwsError: InvalidParameterException for percentages that block every deployment.

    """
    given = p.member(params, "deploymentConfiguration")
    minimum = p.integer(given, "minimumHealthyPercent")
    maximum = p.integer(given, "maximumPercent")
    breaker = p.member(given, "deploymentCircuitBreaker")
    made = DeploymentConfiguration(
        minimum_healthy_percent=current.minimum_healthy_percent if minimum is None else minimum,
        maximum_percent=current.maximum_percent if maximum is None else maximum,
        breaker_enabled=p.flag(breaker, "enable", default=current.breaker_enabled),
        breaker_rolls_back=p.flag(breaker, "rollback", default=current.breaker_rolls_back),
        breaker_resets_on_healthy_task=p.flag(
            breaker, "resetOnHealthyTask", default=current.breaker_resets_on_healthy_task
        ),
        breaker_threshold=p.member(breaker, "thresholdConfiguration") or current.breaker_threshold,
        alarms=p.member(given, "alarms") or current.alarms,
    )
    if made.minimum_healthy_percent == made.maximum_percent == 100:
        raise invalid_parameter(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block "
            "deployments."
        )
    return made


class LaunchChecks:
    """Checks a request against the network, the target groups and the roles."""

    def __init__(self, network: NetworkPlane, registrar: TargetRegistrar, roles: RolePlane) -> None:
        self._network = network
        self._registrar = registrar
        self._roles = roles

    def network(
        self, params: JsonObject, region: str, definition: TaskDefinition
    ) -> Network | None:
        """Read and check a network configuration.

        Raises:
            AwsError: InvalidParameterException.

        """
        given = p.member(p.member(params, "networkConfiguration"), "awsvpcConfiguration")
        awsvpc = p.text(definition.document, "networkMode") == "awsvpc"
        if not given:
            if awsvpc:
                raise invalid_parameter(
                    "Network Configuration must be provided when networkMode 'awsvpc' is specified."
                )
            return None
        if not awsvpc:
            raise invalid_parameter(
                "Network Configuration is not valid for the given networkMode of this task "
                "definition."
            )
        made = Network(
            subnets=p.texts(given, "subnets"),
            security_groups=p.texts(given, "securityGroups"),
            assign_public_ip=p.text(given, "assignPublicIp") or "DISABLED",
        )
        self._check_network(made, region)
        return made

    def _check_network(self, network: Network, region: str) -> None:
        if not network.subnets:
            raise invalid_parameter("subnets can not be empty.")
        for subnet in network.subnets:
            if self._network.subnet(region, subnet) is None:
                raise invalid_parameter(
                    f"Error retrieving subnet information for [{subnet}]: The subnet ID "
                    f"'{subnet}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
                )
        for group in network.security_groups:
            if not self._network.security_group_exists(region, group):
                raise invalid_parameter(
                    f"Error retrieving security group information for [{group}]: The security "
                    f"group '{group}' does not exist (ErrorCode: InvalidGroup.NotFound)"
                )

    def load_balancers(
        self, params: JsonObject, definition: TaskDefinition
    ) -> tuple[LoadBalancer, ...]:
        """Read and check a service's load balancers.

        Raises:
            AwsError: InvalidParameterException.

        """
        return tuple(
            self._load_balancer(item, definition) for item in p.members(params, "loadBalancers")
        )

    def _load_balancer(self, item: JsonObject, definition: TaskDefinition) -> LoadBalancer:
        for key in ("loadBalancerName", "advancedConfiguration"):
            if item.get(key):
                raise not_implemented("ecs", "CreateService", f"loadBalancers[].{key}")
        made = LoadBalancer(
            target_group_arn=p.text(item, "targetGroupArn"),
            container_name=p.text(item, "containerName"),
            container_port=p.integer(item, "containerPort") or 0,
        )
        self._check_target_group(made.target_group_arn, definition)
        check_container(made, definition)
        return made

    def _check_target_group(self, arn: str, definition: TaskDefinition) -> None:
        group = self._registrar.target_group(arn)
        if group is None:
            # Unverified: wording.
            raise invalid_parameter(f"The target group with targetGroupArn {arn} does not exist.")
        if not group.load_balancer_arns:
            raise invalid_parameter(
                f"The target group with targetGroupArn {arn} does not have an associated load "
                "balancer."
            )
        if group.target_type != "ip" and p.text(definition.document, "networkMode") == "awsvpc":
            raise invalid_parameter(
                f"The provided target group {arn} has target type {group.target_type}, which is "
                "incompatible with the awsvpc network mode specified in the task definition."
            )

    def check_roles(self, definition: TaskDefinition, overrides: JsonObject) -> None:
        """Check that the roles of a task exist.

        Raises:
            AwsError: ClientException.

        """
        for key in ("executionRoleArn", "taskRoleArn"):
            role = p.text(overrides, key) or p.text(definition.document, key)
            if role and not self._roles.role_exists(role):
                raise client_exception(unassumable(role))


def check_container(balancer: LoadBalancer, definition: TaskDefinition) -> None:
    """Check that the task definition has what a load balancer names.

    Raises:
        AwsError: InvalidParameterException.

    """
    name, port = balancer.container_name, balancer.container_port
    containers = {c.name: c for c in container_definitions(definition, {})}
    if name not in containers:
        raise invalid_parameter(f"The container {name} does not exist in the task definition.")
    if port not in containers[name].ports:
        raise invalid_parameter(
            f"The container {name} did not have a container port {port} defined."
        )


def check_overrides(definition: TaskDefinition, overrides: JsonObject) -> None:
    """Check that overrides name containers of the task definition.

    Raises:
        AwsError: InvalidParameterException.

    """
    names = {c.name for c in container_definitions(definition, {})}
    for override in p.members(overrides, "containerOverrides"):
        name = p.text(override, "name")
        if name not in names:
            raise invalid_parameter(
                f"Override for container named {name} is not a container in the TaskDefinition."
            )
        for key in ("environmentFiles", "resourceRequirements"):
            if override.get(key):
                raise not_implemented("ecs", "RunTask", f"containerOverrides[].{key}")


def task_definition_family(definition: TaskDefinition) -> str:
    """Return the default group of a stand-alone task."""
    return f"family:{arns.short_name(definition.arn).partition(':')[0]}"
