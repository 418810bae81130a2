"""Application Auto Scaling in front of moto: ECS services of ours may be scalable targets.

Targets, policies and their alarms are kept by moto. Nothing scales yet: no alarm is
evaluated, so no policy acts.
"""

import json
from collections.abc import Callable

from sandbox.aws.wire import (
    AwsService,
    RequestContext,
    WireRequest,
    WireResponse,
    error_response,
)
from sandbox.errors import AwsError

Forward = Callable[[RequestContext, WireRequest], WireResponse]
ServiceExists = Callable[[str, str, str], bool]
"""(region, cluster, service) to whether there is such an active ECS service."""


class ScalingService(AwsService):
    """Checks what only ECS knows; everything is passed on."""

    def __init__(self, forward: Forward, service_exists: ServiceExists) -> None:
        super().__init__("application-autoscaling", {})
        self._forward = forward
        self._service_exists = service_exists

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Answer one request."""
        if self.operation_name(request) == "RegisterScalableTarget":
            try:
                self._check_target(context.region, request)
            except AwsError as error:
                return error_response(request, error)
        return self._forward(context, request)

    def _check_target(self, region: str, request: WireRequest) -> None:
        """Refuse a service that does not exist; what else is wrong is moto's to say.

        Source: the message of RegisterScalableTarget, as moto has it.
        """
        try:
            asked = json.loads(request.body)
        except ValueError:
            return
        if not isinstance(asked, dict) or asked.get("ServiceNamespace") != "ecs":
            return
        resource = str(asked.get("ResourceId", ""))
        kind, _, rest = resource.partition("/")
        cluster, _, service = rest.partition("/")
        if kind == "service" and not self._service_exists(region, cluster, service):
            raise AwsError("ValidationException", f"ECS service doesn't exist: {resource}")
