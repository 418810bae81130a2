"""Operations on clusters, capacity providers and account settings."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs import responses
from sandbox.aws.ecs.arns import Scope, short_name
from sandbox.aws.ecs.exceptions import invalid_parameter
from sandbox.aws.ecs.records import AccountSetting, Cluster, StrategyItem
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject

FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
ACCOUNT_SETTINGS = {
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "containerInstanceLongArnFormat": "enabled",
    "defaultLogDriverMode": "blocking",
    "dualStackIPv6": "enabled",
    "fargateEventWindows": "disabled",
    "fargateFIPSMode": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "serviceLongArnFormat": "enabled",
    "tagResourceAuthorization": "off",
    "taskLongArnFormat": "enabled",
}


def scope_of(context: RequestContext) -> Scope:
    """Return the scope of a request."""
    return Scope(account_id=context.account_id, region=context.region)


def strategy(params: JsonObject, key: str) -> tuple[StrategyItem, ...]:
    """Read a capacity provider strategy.

    Raises:
        AwsError: InvalidParameterException for one that has no weight at all.

    """
    items = tuple(
        StrategyItem(
            capacity_provider=p.text(item, "capacityProvider"),
            weight=p.integer(item, "weight") or 0,
            base=p.integer(item, "base") or 0,
        )
        for item in p.members(params, key)
    )
    for item in items:
        _check_provider(item.capacity_provider)
    if len(items) > 1 and not any(i.weight for i in items):
        raise invalid_parameter(
            "The specified capacity provider strategy cannot contain only capacity providers with "
            "a weight of 0."
        )
    if sum(i.base > 0 for i in items) > 1:
        raise invalid_parameter(
            "The capacity provider strategy can only have one capacity provider with a base value."
        )
    return items


def _check_provider(name: str) -> None:
    if name not in FARGATE_PROVIDERS:
        raise invalid_parameter(f"The specified capacity provider '{name}' was not found.")


class ClusterOperations:
    """Handlers of cluster calls."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "CreateCluster": self.create_cluster,
            "DeleteCluster": self.delete_cluster,
            "DescribeClusters": self.describe_clusters,
            "ListClusters": self.list_clusters,
            "UpdateCluster": self.update_cluster,
            "UpdateClusterSettings": self.update_cluster,
            "PutClusterCapacityProviders": self.put_cluster_capacity_providers,
            "DescribeCapacityProviders": self.describe_capacity_providers,
            "ListAccountSettings": self.list_account_settings,
            "PutAccountSetting": self.put_account_setting,
            "PutAccountSettingDefault": self.put_account_setting_default,
            "DeleteAccountSetting": self.delete_account_setting,
        }

    def create_cluster(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Create a cluster; an active one of the name is returned as it is."""
        name = p.text(params, "clusterName") or "default"
        arn = scope_of(context).cluster(name)
        providers = p.texts(params, "capacityProviders")
        for provider in providers:
            _check_provider(provider)
        made = Cluster(
            arn=arn,
            name=name,
            settings={"containerInsights": "disabled"}
            | p.pairs(params, "settings", name="name", value="value"),
            configuration=p.member(params, "configuration") or None,
            service_connect_defaults=_service_connect_defaults(params),
            capacity_providers=providers,
            default_strategy=strategy(params, "defaultCapacityProviderStrategy"),
            tags=p.tags(params),
        )
        with self._state.transaction():
            found = self._state.clusters.get(arn)
            if found is None or found.status != "ACTIVE":
                self._state.clusters.put(arn, made)
                found = made
        return {"cluster": self._show(found, ("TAGS", "SETTINGS", "CONFIGURATIONS"))}

    def delete_cluster(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Delete a cluster that has no services and no tasks."""
        with self._state.transaction():
            cluster = self._state.cluster(scope_of(context), p.text(params, "cluster"))
            if any(s.status == "ACTIVE" for s in self._state.services_of(cluster.arn)):
                raise AwsError(
                    "ClusterContainsServicesException",
                    "The Cluster cannot be deleted while Services are active.",
                )
            if any(t.cluster_arn == cluster.arn for t in self._state.active_tasks()):
                raise AwsError(
                    "ClusterContainsTasksException",
                    "The Cluster cannot be deleted while Tasks are active.",
                )
            cluster = replace(cluster, status="INACTIVE")
            self._state.clusters.put(cluster.arn, cluster)
        return {"cluster": self._show(cluster, ())}

    def describe_clusters(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Describe clusters, deleted ones too."""
        scope, include = scope_of(context), p.texts(params, "include")
        found: list[JsonObject] = []
        failures: list[JsonObject] = []
        for name in p.texts(params, "clusters") or ("default",):
            arn = scope.cluster(short_name(name))
            cluster = self._state.clusters.get(arn)
            if cluster is None:
                failures.append(responses.failure(arn))
            else:
                found.append(self._show(cluster, include))
        return {"clusters": found, "failures": failures}

    def list_clusters(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List the ARNs of active clusters."""
        prefix = scope_of(context).cluster("")
        arns = sorted(
            c.arn
            for c in self._state.clusters.values()
            if c.status == "ACTIVE" and c.arn.startswith(prefix)
        )
        page, token = p.page(arns, params)
        return p.present(clusterArns=page, nextToken=token)

    def update_cluster(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Change settings, configuration or Service Connect defaults."""

        def change(cluster: Cluster) -> Cluster:
            settings = p.pairs(params, "settings", name="name", value="value")
            return replace(
                cluster,
                settings={**cluster.settings, **settings},
                configuration=p.member(params, "configuration") or cluster.configuration,
                service_connect_defaults=_service_connect_defaults(params)
                if "serviceConnectDefaults" in params
                else cluster.service_connect_defaults,
            )

        return self._change(context, params, change)

    def put_cluster_capacity_providers(
        self, context: RequestContext, params: JsonObject
    ) -> JsonObject:
        """Set which capacity providers the cluster has, and the default strategy."""
        providers = p.texts(params, "capacityProviders")
        for provider in providers:
            _check_provider(provider)
        items = strategy(params, "defaultCapacityProviderStrategy")
        for item in items:
            if item.capacity_provider not in providers:
                raise invalid_parameter(
                    "The specified capacity provider strategy contains a capacity provider that "
                    "is not associated with the cluster. Associate the capacity provider with the "
                    "cluster and try again."
                )
        return self._change(
            context,
            params,
            lambda c: replace(c, capacity_providers=providers, default_strategy=items),
        )

    def _change(
        self,
        context: RequestContext,
        params: JsonObject,
        change: Callable[[Cluster], Cluster],
    ) -> JsonObject:
        with self._state.transaction():
            cluster = change(self._state.cluster(scope_of(context), p.text(params, "cluster")))
            self._state.clusters.put(cluster.arn, cluster)
        return {"cluster": self._show(cluster, ("TAGS", "SETTINGS", "CONFIGURATIONS"))}

    def _show(self, cluster: Cluster, include: tuple[str, ...]) -> JsonObject:
        tasks = [t for t in self._state.active_tasks() if t.cluster_arn == cluster.arn]
        return responses.cluster(cluster, tasks, self._state.services_of(cluster.arn), include)

    def describe_capacity_providers(
        self, context: RequestContext, params: JsonObject
    ) -> JsonObject:
        """Describe FARGATE and FARGATE_SPOT, the providers that exist here."""
        scope = scope_of(context)
        wanted = [short_name(n) for n in p.texts(params, "capacityProviders")]
        found = [n for n in (wanted or FARGATE_PROVIDERS) if n in FARGATE_PROVIDERS]
        return {
            "capacityProviders": [
                {
                    "capacityProviderArn": scope.arn(f"capacity-provider/{name}"),
                    "name": name,
                    "status": "ACTIVE",
                    "tags": [],
                    "type": name,
                }
                for name in found
            ],
            "failures": [
                responses.failure(scope.arn(f"capacity-provider/{name}"))
                for name in wanted
                if name not in FARGATE_PROVIDERS
            ],
        }

    # Account settings

    def put_account_setting(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Set a value for a principal, the account's root by default."""
        principal = p.text(params, "principalArn") or _root(context)
        return self._put_setting(context, params, principal)

    def put_account_setting_default(
        self, context: RequestContext, params: JsonObject
    ) -> JsonObject:
        """Set a value for all principals."""
        return self._put_setting(context, params, _root(context))

    def _put_setting(
        self, context: RequestContext, params: JsonObject, principal: str
    ) -> JsonObject:
        name = _setting_name(params)
        made = AccountSetting(name=name, value=p.text(params, "value"), principal_arn=principal)
        self._state.settings.put(f"{context.region}/{principal}/{name}", made)
        return {"setting": _show_setting(made)}

    def delete_account_setting(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Go back to the default value."""
        name = _setting_name(params)
        principal = p.text(params, "principalArn") or _root(context)
        self._state.settings.delete(f"{context.region}/{principal}/{name}")
        default = AccountSetting(name=name, value=ACCOUNT_SETTINGS[name], principal_arn=principal)
        return {"setting": _show_setting(default)}

    def list_account_settings(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List what was set, or every effective value."""
        principal = p.text(params, "principalArn") or _root(context)
        stored = {
            s.name: s
            for key, s in self._state.settings.items().items()
            if key.startswith(f"{context.region}/{principal}/")
        }
        if p.flag(params, "effectiveSettings"):
            stored = {
                name: AccountSetting(name=name, value=value, principal_arn=principal)
                for name, value in ACCOUNT_SETTINGS.items()
            } | stored
        name, value = p.text(params, "name"), p.text(params, "value")
        return {
            "settings": [
                _show_setting(s)
                for s in stored.values()
                if name in ("", s.name) and value in ("", s.value)
            ]
        }


def _root(context: RequestContext) -> str:
    return f"arn:aws:iam::{context.account_id}:root"


def _setting_name(params: JsonObject) -> str:
    name = p.text(params, "name")
    if name not in ACCOUNT_SETTINGS:
        raise invalid_parameter(f"unknown should be one of [{','.join(ACCOUNT_SETTINGS)}]")
    return name


def _show_setting(setting: AccountSetting) -> JsonObject:
    return {
        "name": setting.name,
        "value": setting.value,
        "principalArn": setting.principal_arn,
        "type": "user",
    }


def _service_connect_defaults(params: JsonObject) -> JsonObject | None:
    if p.text(p.member(params, "serviceConnectDefaults"), "namespace"):
        raise not_implemented("ecs", "CreateCluster", "serviceConnectDefaults")
    return None
