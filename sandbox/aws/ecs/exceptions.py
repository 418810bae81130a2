"""ECS's error answers, in AWS's codes and words; it decides nothing.

Source: ECS API Reference, "Common Errors" and each action's errors; wording as clients report it.
"""

from sandbox.errors import AwsError


def client_exception(message: str) -> AwsError:
    """Build the error of a request that the caller must mend."""
    return AwsError("ClientException", message)


def invalid_parameter(message: str) -> AwsError:
    """Build the error of a parameter that does not fit the state of things."""
    return AwsError("InvalidParameterException", message)


def cluster_not_found() -> AwsError:
    """Build the error of an unknown or inactive cluster."""
    return AwsError("ClusterNotFoundException", "Cluster not found.")


def service_not_found() -> AwsError:
    """Build the error of an unknown service."""
    return AwsError("ServiceNotFoundException", "Service not found.")


def service_not_active() -> AwsError:
    """Build the error of a service that drains or is gone."""
    return AwsError("ServiceNotActiveException", "Service was not ACTIVE.")


def task_not_found() -> AwsError:
    """Build the error of an unknown task."""
    return invalid_parameter("The referenced task was not found.")


def cannot_describe_task_definition() -> AwsError:
    """Build the error of an unknown family or revision."""
    return client_exception("Unable to describe task definition.")


def resource_not_found(arn: str) -> AwsError:
    """Build the error of a tag call on an unknown resource."""
    return invalid_parameter(f"The specified resource does not exist: {arn}")
