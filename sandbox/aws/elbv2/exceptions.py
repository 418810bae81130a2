"""AWS's own errors of ELBv2: codes and wording; nothing is decided here.

Source: ELBv2 API Reference (codes); texts as quoted in Terraform and SDK issue reports
where known, else Unverified.
"""

from sandbox.errors import AwsError


def validation_error(message: str) -> AwsError:
    """Build a `ValidationError`."""
    return AwsError("ValidationError", message)


def load_balancer_not_found(arn: str) -> AwsError:
    """Build the answer for an unknown load balancer ARN."""
    return AwsError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")


def load_balancer_names_not_found(names: list[str]) -> AwsError:
    """Build the answer for unknown load balancer names."""
    text = ", ".join(names)
    return AwsError("LoadBalancerNotFound", f"Load balancers '[{text}]' not found")


def listener_not_found(arn: str) -> AwsError:
    """Build the answer for an unknown listener."""
    return AwsError("ListenerNotFound", f"Listener '{arn}' not found")


def rule_not_found(arn: str) -> AwsError:
    """Build the answer for an unknown rule."""
    return AwsError("RuleNotFound", f"Rule '{arn}' not found")


def target_group_not_found(arn: str) -> AwsError:
    """Build the answer for one unknown target group."""
    return AwsError("TargetGroupNotFound", f"Target group '{arn}' not found")


def target_groups_not_found() -> AwsError:
    """Build the answer of DescribeTargetGroups for unknown names or ARNs."""
    return AwsError("TargetGroupNotFound", "One or more target groups not found")


def duplicate_load_balancer(name: str) -> AwsError:
    """Build the answer to the same name with other settings."""
    message = f"A load balancer with the same name '{name}' exists, but with different settings"
    return AwsError("DuplicateLoadBalancerName", message)


def duplicate_target_group(name: str) -> AwsError:
    """Build the answer to the same name with other settings."""
    message = f"A target group with the same name '{name}' exists, but with different settings"
    return AwsError("DuplicateTargetGroupName", message)


def duplicate_listener() -> AwsError:
    """Build the answer to a second listener on one port."""
    return AwsError(
        "DuplicateListener", "A listener already exists on this port for this load balancer"
    )


def priority_in_use(priority: int) -> AwsError:
    """Build the answer to a second rule of one priority."""
    return AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")


def target_group_in_use(arn: str) -> AwsError:
    """Build the answer to deleting a target group that a listener or rule names."""
    message = f"Target group '{arn}' is currently in use by a listener or a rule"
    return AwsError("ResourceInUse", message)


def target_group_of_other_load_balancer(arn: str) -> AwsError:
    """Build the answer to a target group that another load balancer uses."""
    message = (
        f"The following target groups cannot be associated with more than one load balancer: {arn}"
    )
    return AwsError("TargetGroupAssociationLimit", message)


def certificate_not_found(arn: str) -> AwsError:
    """Build the answer to a certificate that ACM does not hold, or has not issued yet."""
    return AwsError("CertificateNotFound", f"Certificate '{arn}' not found")


def subnet_not_found(subnet_id: str) -> AwsError:
    """Build the answer for an unknown subnet."""
    return AwsError("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")


def security_group_not_found(group_id: str) -> AwsError:
    """Build the answer for an unknown security group."""
    return AwsError("InvalidSecurityGroup", f"The security group '{group_id}' does not exist")


def ssl_policy_not_found(name: str) -> AwsError:
    """Build the answer for an unknown security policy."""
    return AwsError("SSLPolicyNotFound", f"SSL policy '{name}' not found")


def not_permitted(message: str) -> AwsError:
    """Build an `OperationNotPermitted`."""
    return AwsError("OperationNotPermitted", message)


def data_plane_refused(detail: str) -> AwsError:
    """Build the answer to a configuration that Envoy refused; AWS has no such error."""
    return AwsError(
        "InvalidConfigurationRequest",
        f"The sandbox's load balancer refused this configuration: {detail}",
    )
