"""The words of service events; nothing else.

Source: ECS developer guide, "View Amazon ECS service event messages".
"""

from collections.abc import Sequence

STEADY = "has reached a steady state."
_GUIDE = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."


def _tasks(task_ids: Sequence[str]) -> str:
    return " ".join(f"(task {task_id})" for task_id in task_ids)


def started(service: str, task_ids: Sequence[str]) -> str:
    """Tasks were started."""
    return f"(service {service}) has started {len(task_ids)} tasks: {_tasks(task_ids)}."


def stopped(service: str, task_ids: Sequence[str]) -> str:
    """The scheduler stopped tasks."""
    return f"(service {service}) has stopped {len(task_ids)} running tasks: {_tasks(task_ids)}."


def registered(service: str, count: int, target_group_arn: str) -> str:
    """Targets were registered."""
    return f"(service {service}) registered {count} targets in (target-group {target_group_arn})"


def deregistered(service: str, count: int, target_group_arn: str) -> str:
    """Targets were deregistered."""
    return f"(service {service}) deregistered {count} targets in (target-group {target_group_arn})"


def draining(service: str, count: int) -> str:
    """Tasks wait for their connections to end."""
    return f"(service {service}) has begun draining connections on {count} tasks."


def unhealthy(service: str, port: int, target_group_arn: str, reason: str) -> str:
    """A target failed its health checks."""
    return (
        f"(service {service}) (port {port}) is unhealthy in (target-group {target_group_arn}) "
        f"due to (reason {reason})"
    )


def container_unhealthy(service: str, task_id: str) -> str:
    """A container failed its health check."""
    return f"(service {service}) (task {task_id}) failed container health checks."


def steady(service: str) -> str:
    """All that is wanted runs and is healthy."""
    return f"(service {service}) {STEADY}"


def completed(service: str, deployment_id: str) -> str:
    """A deployment is done."""
    return f"(service {service}) (deployment {deployment_id}) deployment completed."


def failed(service: str, deployment_id: str) -> str:
    """The circuit breaker gave a deployment up."""
    return (
        f"(service {service}) (deployment {deployment_id}) deployment failed: "
        "tasks failed to start."
    )


def rolling_back(service: str, deployment_id: str) -> str:
    """The circuit breaker goes back."""
    return f"(service {service}) rolling back to deployment {deployment_id}."


def impaired(service: str) -> str:
    """Tasks fail one after the other."""
    return f"(service {service}) is unable to consistently start tasks successfully. {_GUIDE}"


def stalled(service: str) -> str:
    """The percentages leave no room to move."""
    return (
        f"(service {service}) was unable to stop or start tasks during a deployment because of "
        "the service deployment configuration. Update the minimumHealthyPercent or "
        "maximumPercent value and try again."
    )


def unplaced(service: str) -> str:
    """There is no container instance for the EC2 launch type."""
    return (
        f"(service {service}) was unable to place a task because no container instance met all "
        "of its requirements. Reason: No Container Instances were found in your cluster. " + _GUIDE
    )
