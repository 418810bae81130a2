"""Application Auto Scaling that does not look for ECS services in moto's own ECS.

They live in ours, which is asked before a request comes here (`sandbox/aws/autoscaling`): a
replay of the journal runs before our ECS is there, and after a service may be gone.
"""

from typing import Any

import moto.applicationautoscaling.urls
from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    applicationautoscaling_backends,
)


class SandboxScalingBackend(ApplicationAutoscalingBackend):
    """moto's backend; every ECS service that it is told of exists."""

    def _ecs_service_exists_for_target(self, r_id: str) -> bool:  # noqa: ARG002
        return True

    @property
    def _url_module(self) -> Any:
        return moto.applicationautoscaling.urls


def install() -> None:
    """Make moto use this backend."""
    applicationautoscaling_backends.backend = SandboxScalingBackend
