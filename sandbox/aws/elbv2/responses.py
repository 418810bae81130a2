"""Records in the shapes of ELBv2's answers; no decisions."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sandbox.aws.elbv2 import params
from sandbox.aws.elbv2.actions import render_action
from sandbox.aws.elbv2.conditions import render_condition
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.records import Listener, LoadBalancer, Rule, TargetGroup
from sandbox.types import JsonObject

T = TypeVar("T")

CANONICAL_HOSTED_ZONE_IDS: Mapping[str, str] = {
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "ap-south-1": "ZP97RAFLXTNZK",
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-northeast-2": "ZWKZPGTI48KDX",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "sa-east-1": "Z2P70J7HTTTPLU",
}
"""Source: AWS General Reference, "Elastic Load Balancing endpoints and quotas"."""


def load_balancer(record: LoadBalancer) -> JsonObject:
    """Render a load balancer."""
    zone = CANONICAL_HOSTED_ZONE_IDS.get(record.region, CANONICAL_HOSTED_ZONE_IDS["us-east-1"])
    return {
        "LoadBalancerArn": record.arn,
        "DNSName": record.dns_name,
        "CanonicalHostedZoneId": zone,
        "CreatedTime": record.created_at,
        "LoadBalancerName": record.name,
        "Scheme": record.scheme,
        "VpcId": record.vpc_id,
        "State": {"Code": "active"},
        "Type": "application",
        "AvailabilityZones": availability_zones(record),
        "SecurityGroups": list(record.security_groups),
        "IpAddressType": record.ip_address_type,
    }


def availability_zones(record: LoadBalancer) -> list[JsonObject]:
    """Render the subnets of a load balancer."""
    return [
        {
            "ZoneName": subnet.availability_zone,
            "SubnetId": subnet.subnet_id,
            "LoadBalancerAddresses": [],
        }
        for subnet in record.subnets
    ]


def listener(record: Listener) -> JsonObject:
    """Render a listener."""
    tls: dict[str, object] = {}
    if record.protocol == "HTTPS":
        tls = {
            "Certificates": [{"CertificateArn": record.certificate_arn}],
            "SslPolicy": record.ssl_policy,
            "MutualAuthentication": {"Mode": "off"},
        }
    return {
        "ListenerArn": record.arn,
        "LoadBalancerArn": record.load_balancer_arn,
        "Port": record.port,
        "Protocol": record.protocol,
        "DefaultActions": [render_action(record.default_action)],
        **tls,
    }


def rule(record: Rule) -> JsonObject:
    """Render a rule."""
    return {
        "RuleArn": record.arn,
        "Priority": str(record.priority),
        "Conditions": [render_condition(condition) for condition in record.conditions],
        "Actions": [render_action(record.action)],
        "IsDefault": False,
    }


def default_rule(record: Listener) -> JsonObject:
    """Render a listener's default action as the rule that it is, too."""
    return {
        "RuleArn": record.default_rule_arn,
        "Priority": "default",
        "Conditions": [],
        "Actions": [render_action(record.default_action)],
        "IsDefault": True,
    }


def target_group(record: TargetGroup, load_balancer_arns: Sequence[str]) -> JsonObject:
    """Render a target group."""
    check = record.health_check
    return {
        "TargetGroupArn": record.arn,
        "TargetGroupName": record.name,
        "Protocol": record.protocol,
        "Port": record.port,
        "VpcId": record.vpc_id,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": check.interval_s,
        "HealthCheckTimeoutSeconds": check.timeout_s,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": {"HttpCode": check.matcher},
        "LoadBalancerArns": list(load_balancer_arns),
        "TargetType": record.target_type,
        "ProtocolVersion": record.protocol_version,
        "IpAddressType": record.ip_address_type,
    }


def key_values(values: Mapping[str, str]) -> list[JsonObject]:
    """Render a mapping as a list of `{Key, Value}`."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def page(request: JsonObject, items: Sequence[T]) -> tuple[Sequence[T], JsonObject]:
    """Return the asked page of `items` and the `NextMarker` member, if there is more.

    Raises:
        AwsError: ValidationError for a marker that is none of ours.

    """
    marker = params.text(request, "Marker", "0")
    if not marker.isdecimal():
        raise validation_error(f"Marker '{marker}' is not valid")
    start = int(marker)
    end = start + params.number(request, "PageSize", 400)
    more: JsonObject = {"NextMarker": str(end)} if end < len(items) else {}
    return items[start:end], more
