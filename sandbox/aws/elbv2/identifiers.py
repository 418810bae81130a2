"""ARNs, ids and DNS names in AWS's shapes; it stores nothing.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Elastic
Load Balancing V2".
"""

import secrets

from sandbox.aws.wire import RequestContext


def new_id() -> str:
    """Return a fresh id, 16 hexadecimal digits."""
    return secrets.token_hex(8)


def _prefix(context: RequestContext) -> str:
    return f"arn:aws:elasticloadbalancing:{context.region}:{context.account_id}:"


def load_balancer_arn(context: RequestContext, name: str) -> str:
    """Return a fresh ARN of a load balancer."""
    return f"{_prefix(context)}loadbalancer/app/{name}/{new_id()}"


def target_group_arn(context: RequestContext, name: str) -> str:
    """Return a fresh ARN of a target group."""
    return f"{_prefix(context)}targetgroup/{name}/{new_id()}"


def listener_arn(parent: str) -> str:
    """Return a fresh ARN of a listener of the load balancer `parent`."""
    return parent.replace(":loadbalancer/", ":listener/") + f"/{new_id()}"


def rule_arn(parent: str) -> str:
    """Return a fresh ARN of a rule of the listener `parent`."""
    return parent.replace(":listener/", ":listener-rule/") + f"/{new_id()}"


def dns_name(name: str, region: str, scheme: str) -> str:
    """Return a fresh DNS name, `<name>-<10 digits>.<region>.elb.amazonaws.com`."""
    number = 10**9 + secrets.randbelow(9 * 10**9)
    internal = "internal-" if scheme == "internal" else ""
    return f"{internal}{name}-{number}.{region}.elb.amazonaws.com".lower()
