"""Operations that read no record: security policies and account limits."""

from collections.abc import Mapping

from sandbox.aws.elbv2 import exceptions, params, responses
from sandbox.aws.elbv2.ssl_policies import POLICIES, SslPolicy
from sandbox.aws.wire import Handler, RequestContext
from sandbox.types import JsonObject

_LIMITS = {
    "application-load-balancers": "50",
    "certificates-per-application-load-balancer": "25",
    "condition-values-per-alb-rule": "5",
    "condition-wildcards-per-alb-rule": "6",
    "listeners-per-application-load-balancer": "50",
    "rules-per-application-load-balancer": "100",
    "target-groups": "3000",
    "target-groups-per-action-on-application-load-balancer": "5",
    "target-groups-per-application-load-balancer": "100",
    "target-id-registrations-per-application-load-balancer": "1000",
    "targets-per-application-load-balancer": "1000",
}
"""Source: ELBv2 guide, "Quotas for your Application Load Balancers"."""


def handlers() -> Mapping[str, Handler]:
    """Return the operations by name."""
    return {
        "DescribeSSLPolicies": describe_ssl_policies,
        "DescribeAccountLimits": describe_account_limits,
    }


def describe_ssl_policies(_context: RequestContext, request: JsonObject) -> JsonObject:
    """DescribeSSLPolicies: the named ones, or all."""
    names = params.texts(request, "Names")
    for name in names:
        if name not in POLICIES:
            raise exceptions.ssl_policy_not_found(name)
    chosen = [policy for policy in POLICIES.values() if not names or policy.name in names]
    found, more = responses.page(request, chosen)
    return {"SslPolicies": [_render(policy) for policy in found], **more}


def _render(policy: SslPolicy) -> JsonObject:
    return {
        "Name": policy.name,
        "SslProtocols": list(policy.protocols),
        "Ciphers": [
            {"Name": name, "Priority": priority} for priority, name in enumerate(policy.ciphers, 1)
        ],
        "SupportedLoadBalancerTypes": ["application"],
    }


def describe_account_limits(_context: RequestContext, request: JsonObject) -> JsonObject:
    """DescribeAccountLimits: AWS's default quotas."""
    rows = [{"Name": name, "Max": value} for name, value in _LIMITS.items()]
    found, more = responses.page(request, rows)
    return {"Limits": list(found), **more}
