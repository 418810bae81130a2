"""Operations on services: they change records, the loop does the rest."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sandbox.aws.ecs import arns, deployments, responses
from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.cluster_operations import scope_of
from sandbox.aws.ecs.exceptions import (
    client_exception,
    invalid_parameter,
    service_not_active,
    service_not_found,
)
from sandbox.aws.ecs.launch_requests import (
    LaunchChecks,
    capacity,
    check_container,
    check_supported,
    deployment_configuration,
)
from sandbox.aws.ecs.records import (
    Cluster,
    DeploymentConfiguration,
    Revision,
    Service,
    TaskDefinition,
)
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.wire import Handler, RequestContext
from sandbox.types import JsonObject

MAX_DESCRIBED = 10


class ServiceOperations:
    """Handlers of service calls."""

    def __init__(self, state: EcsState, checks: LaunchChecks, *, wake: Callable[[], None]) -> None:
        self._state = state
        self._checks = checks
        self._wake = wake

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "CreateService": self.create,
            "UpdateService": self.update,
            "DeleteService": self.delete,
            "DescribeServices": self.describe,
            "ListServices": self.list,
        }

    def create(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Create a service; its first deployment starts at once."""
        check_supported("CreateService", params)
        scope, name = scope_of(context), p.text(params, "serviceName")
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        arn = scope.service(cluster.name, name)
        definition = self._active_definition(context, p.text(params, "taskDefinition"))
        if p.text(params, "schedulingStrategy") == "DAEMON":
            raise invalid_parameter("The daemon scheduling strategy is not supported on Fargate.")
        revision = self._revision(context, params, cluster, definition)
        made = _new_service(context, params, arn, cluster, revision)
        _check_grace_period(params, revision)
        with self._state.transaction():
            found = self._state.services.get(arn)
            if found is not None and found.status != "INACTIVE":
                made = _same_or_refuse(found, made)
            else:
                self._state.services.put(arn, made)
                self._state.events.delete(arn)
        self._wake()
        return {"service": self._show(made, with_tags=True)}

    def _active_definition(self, context: RequestContext, name: str) -> TaskDefinition:
        if not name:
            raise client_exception("TaskDefinition can not be blank.")
        found = self._state.task_definition(scope_of(context), name)
        if found.status != "ACTIVE":
            raise client_exception("TaskDefinition is inactive")
        return found

    def _revision(
        self,
        context: RequestContext,
        params: JsonObject,
        cluster: Cluster,
        definition: TaskDefinition,
    ) -> Revision:
        where = capacity(params, cluster, definition)
        platform = "" if where.launch_type == "EC2" else p.text(params, "platformVersion")
        return Revision(
            task_definition_arn=definition.arn,
            launch_type=where.launch_type,
            strategy=where.strategy,
            platform_version=platform or "LATEST",
            network=self._checks.network(params, context.region, definition),
            load_balancers=self._checks.load_balancers(params, definition),
        )

    def update(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Change a service; a changed revision, or force, starts a new deployment."""
        check_supported("UpdateService", params)
        scope = scope_of(context)
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        current = self._state.service(cluster, scope, p.text(params, "service"))
        if current.status != "ACTIVE":
            raise service_not_active()
        revision = self._updated_revision(context, params, cluster, current)
        _check_grace_period(params, revision)
        configuration = deployment_configuration(params, current.configuration)
        with self._state.transaction():
            service = self._state.service(cluster, scope, p.text(params, "service"))
            if service.status != "ACTIVE":
                raise service_not_active()
            service = _with_settings(service, params, configuration)
            service = _with_desired_count(service, params, context)
            if revision != service.primary.revision or p.flag(params, "forceNewDeployment"):
                service = deployments.begin(
                    service, revision, arns.new_deployment_id(), context.now
                )
            self._state.services.put(service.arn, service)
        self._wake()
        return {"service": self._show(service, with_tags=True)}

    def _updated_revision(
        self,
        context: RequestContext,
        params: JsonObject,
        cluster: Cluster,
        service: Service,
    ) -> Revision:
        revision = service.primary.revision
        name = p.text(params, "taskDefinition")
        if name:
            definition = self._active_definition(context, name)
            revision = replace(revision, task_definition_arn=definition.arn)
            for balancer in revision.load_balancers:
                check_container(balancer, definition)
        definition = self._state.task_definition(scope_of(context), revision.task_definition_arn)
        if "capacityProviderStrategy" in params:
            where = capacity(params, cluster, definition)
            revision = replace(revision, launch_type=where.launch_type, strategy=where.strategy)
        if "networkConfiguration" in params:
            network = self._checks.network(params, context.region, definition)
            revision = replace(revision, network=network)
        if p.text(params, "platformVersion"):
            revision = replace(revision, platform_version=p.text(params, "platformVersion"))
        if "loadBalancers" in params:
            balancers = self._checks.load_balancers(params, definition)
            revision = replace(revision, load_balancers=balancers)
        return revision

    def delete(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Drain a service; the loop makes it INACTIVE when its tasks have stopped."""
        scope = scope_of(context)
        with self._state.transaction():
            cluster = self._state.cluster(scope, p.text(params, "cluster"))
            service = self._state.service(cluster, scope, p.text(params, "service"))
            if service.status == "INACTIVE":
                raise service_not_found()
            if service.desired_count > 0 and not p.flag(params, "force"):
                raise invalid_parameter("The service cannot be stopped while it is scaled above 0.")
            service = replace(service, status="DRAINING", desired_count=0, steady_since=None)
            self._state.services.put(service.arn, service)
        self._wake()
        return {"service": self._show(service, with_tags=False)}

    def describe(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Describe up to ten services."""
        scope, names = scope_of(context), p.texts(params, "services")
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        if not names:
            raise invalid_parameter("Services cannot be empty.")
        if len(names) > MAX_DESCRIBED:
            raise invalid_parameter(f"Services cannot have more than {MAX_DESCRIBED} elements.")
        with_tags = "TAGS" in p.texts(params, "include")
        found: list[JsonObject] = []
        failures: list[JsonObject] = []
        for name in names:
            arn = scope.service(cluster.name, arns.short_name(name))
            service = self._state.services.get(arn)
            if service is None:
                failures.append(responses.failure(arn))
            else:
                found.append(self._show(service, with_tags=with_tags))
        return {"services": found, "failures": failures}

    def list(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List the ARNs of a cluster's services."""
        cluster = self._state.cluster(scope_of(context), p.text(params, "cluster"))
        launch_type = p.text(params, "launchType")
        strategy = p.text(params, "schedulingStrategy")
        found = sorted(
            s.arn
            for s in self._state.services_of(cluster.arn)
            if launch_type in ("", s.primary.revision.launch_type)
            and strategy in ("", s.scheduling_strategy)
        )
        page, token = p.page(found, params, default_size=10)
        return p.present(serviceArns=page, nextToken=token)

    def _show(self, service: Service, *, with_tags: bool) -> JsonObject:
        return responses.service(
            service,
            self._state.tasks_of_service(service.arn),
            self._state.events.get(service.arn),
            with_tags=with_tags,
        )


def _new_service(
    context: RequestContext, params: JsonObject, arn: str, cluster: Cluster, revision: Revision
) -> Service:
    configuration = deployment_configuration(params, DeploymentConfiguration())
    rebalancing = "ENABLED" if configuration.maximum_percent > 100 else "DISABLED"
    grace = p.integer(params, "healthCheckGracePeriodSeconds")
    service = Service(
        arn=arn,
        name=p.text(params, "serviceName"),
        cluster_arn=cluster.arn,
        status="ACTIVE",
        desired_count=p.integer(params, "desiredCount") or 0,
        deployments=(),
        configuration=configuration,
        created_at=context.now,
        created_by=f"arn:aws:iam::{context.account_id}:root",
        client_token=p.text(params, "clientToken"),
        health_check_grace_period_s=0 if grace is None and revision.load_balancers else grace,
        zone_rebalancing=p.text(params, "availabilityZoneRebalancing") or rebalancing,
        enable_managed_tags=p.flag(params, "enableECSManagedTags"),
        propagate_tags=p.text(params, "propagateTags") or "NONE",
        enable_execute_command=p.flag(params, "enableExecuteCommand"),
        placement_constraints=p.members(params, "placementConstraints"),
        placement_strategy=p.members(params, "placementStrategy"),
        role_arn=p.text(params, "role") or _service_linked_role(context),
        tags=p.tags(params),
    )
    return deployments.begin(service, revision, arns.new_deployment_id(), context.now)


def _service_linked_role(context: RequestContext) -> str:
    path = "aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    return f"arn:aws:iam::{context.account_id}:role/{path}"


def _same_or_refuse(found: Service, made: Service) -> Service:
    if found.status == "DRAINING":
        raise invalid_parameter("Unable to Start a service that is still Draining.")
    same = (
        found.primary.revision == made.primary.revision
        and found.desired_count == made.desired_count
    )
    if found.client_token and found.client_token == made.client_token and same:
        return found
    raise invalid_parameter("Creation of service was not idempotent.")


def _check_grace_period(params: JsonObject, revision: Revision) -> None:
    if p.integer(params, "healthCheckGracePeriodSeconds") and not revision.load_balancers:
        raise invalid_parameter(
            "Health check grace period is only valid for services configured to use load balancers"
        )


def _with_settings(
    service: Service, params: JsonObject, configuration: DeploymentConfiguration
) -> Service:
    """Apply what changes no revision.

    Source: ECS API Reference, UpdateService, "doesn't trigger a new service deployment".
    """
    grace = p.integer(params, "healthCheckGracePeriodSeconds")
    return replace(
        service,
        configuration=configuration,
        health_check_grace_period_s=service.health_check_grace_period_s if grace is None else grace,
        zone_rebalancing=p.text(params, "availabilityZoneRebalancing", service.zone_rebalancing),
        enable_managed_tags=p.flag(
            params, "enableECSManagedTags", default=service.enable_managed_tags
        ),
        propagate_tags=p.text(params, "propagateTags", service.propagate_tags),
        enable_execute_command=p.flag(
            params, "enableExecuteCommand", default=service.enable_execute_command
        ),
        placement_constraints=p.members(params, "placementConstraints")
        if "placementConstraints" in params
        else service.placement_constraints,
        placement_strategy=p.members(params, "placementStrategy")
        if "placementStrategy" in params
        else service.placement_strategy,
    )


def _with_desired_count(service: Service, params: JsonObject, context: RequestContext) -> Service:
    """Every update makes ECS report the steady state anew; a new count also touches the PRIMARY."""
    desired = p.integer(params, "desiredCount")
    service = replace(service, steady_since=None)
    if desired is None or desired == service.desired_count:
        return service
    primary = replace(service.primary, updated_at=context.now, stall_reported=False)
    return deployments.change_deployment(replace(service, desired_count=desired), primary)
