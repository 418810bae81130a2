"""What EcsRollingDeploy leaves for EcsRollingRollback; data only."""

from collections.abc import Mapping
from dataclasses import dataclass

from fake_harness.delegate.ecs import scaling
from fake_harness.delegate.ecs.manifests import ServiceManifests
from fake_harness.delegate.ecs.scaling import Scaling
from fake_harness.delegate.results import JsonObject

DEPLOY_STEP = "EcsRollingDeploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingState:
    """The service before the deployment."""

    service_name: str
    request: JsonObject | None
    """CreateService that would make it again; None in a first deployment."""
    scaling: Scaling = Scaling()  # noqa: RUF009  (frozen)

    def wire(self) -> JsonObject:
        """Return it as rollback data."""
        return {
            "serviceName": self.service_name,
            "isFirstDeployment": self.request is None,
            "request": self.request,
            **self.scaling.wire(),
        }


def from_wire(value: object) -> RollingState | None:
    """Read rollback data; None when the deploy step left none."""
    if not isinstance(value, Mapping):
        return None
    return RollingState(
        service_name=str(value["serviceName"]),
        request=value["request"],
        scaling=scaling.from_wire(value),
    )


def own_scaling(manifests: ServiceManifests) -> Scaling:
    """Return the scaling that the service's manifests ask for."""
    return Scaling(targets=manifests.scalable_targets, policies=manifests.scaling_policies)
