"""CloudTrail's record of one call, from the call understood; pure.

Source: CloudTrail user guide, "CloudTrail record contents for management, data, and network
activity events". Unverified: the `...Set` spellings of EC2's parameters, which follow
botocore's names here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from botocore.model import Shape

from sandbox.aws.trail.actions import PREFIXES, is_read_only
from sandbox.aws.trail.callers import Caller, user_identity
from sandbox.aws.trail.calls import Call
from sandbox.aws.trail.grants import NamedResource
from sandbox.types import JsonObject

EVENT_VERSION = "1.11"
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
LONGEST_FIELD = 100_000
"""Source: the same page: requestParameters and responseElements have 100 KB at most."""

_SECRET_WORDS = frozenset(
    {"secretstring", "secretbinary", "password", "secretaccesskey", "sessiontoken", "plaintext"}
)
_SECRET_PARAMETERS = {"ssm": frozenset({"value"}), "ecr": frozenset({"authorizationtoken"})}

_CFN_TYPES: Mapping[tuple[str, str], str] = {
    ("ecs", "cluster"): "AWS::ECS::Cluster",
    ("ecs", "service"): "AWS::ECS::Service",
    ("ecs", "task-definition"): "AWS::ECS::TaskDefinition",
    ("ecs", "task"): "AWS::ECS::Task",
    ("ecr", "repository"): "AWS::ECR::Repository",
    ("elasticloadbalancing", "loadbalancer/app/"): "AWS::ElasticLoadBalancingV2::LoadBalancer",
    ("elasticloadbalancing", "loadbalancer/net/"): "AWS::ElasticLoadBalancingV2::LoadBalancer",
    ("elasticloadbalancing", "listener/app"): "AWS::ElasticLoadBalancingV2::Listener",
    ("elasticloadbalancing", "listener-rule/app"): "AWS::ElasticLoadBalancingV2::ListenerRule",
    ("elasticloadbalancing", "targetgroup"): "AWS::ElasticLoadBalancingV2::TargetGroup",
    ("iam", "role"): "AWS::IAM::Role",
    ("iam", "user"): "AWS::IAM::User",
    ("iam", "group"): "AWS::IAM::Group",
    ("iam", "policy"): "AWS::IAM::Policy",
    ("sts", "role"): "AWS::IAM::Role",
    ("s3", "bucket"): "AWS::S3::Bucket",
    ("logs", "log-group"): "AWS::Logs::LogGroup",
    ("kms", "key"): "AWS::KMS::Key",
    ("kms", "alias"): "AWS::KMS::Alias",
    ("sns", "topic"): "AWS::SNS::Topic",
    ("sqs", "queue"): "AWS::SQS::Queue",
    ("secretsmanager", "Secret"): "AWS::SecretsManager::Secret",
    ("cloudwatch", "alarm"): "AWS::CloudWatch::Alarm",
    ("cloudtrail", "trail"): "AWS::CloudTrail::Trail",
    ("acm", "certificate"): "AWS::CertificateManager::Certificate",
    ("route53", "hostedzone"): "AWS::Route53::HostedZone",
    ("dynamodb", "table"): "AWS::DynamoDB::Table",
    ("lambda", "function"): "AWS::Lambda::Function",
    ("ec2", "vpc"): "AWS::EC2::VPC",
    ("ec2", "subnet"): "AWS::EC2::Subnet",
    ("ec2", "security-group"): "AWS::EC2::SecurityGroup",
    ("ec2", "internet-gateway"): "AWS::EC2::InternetGateway",
    ("ec2", "route-table"): "AWS::EC2::RouteTable",
    ("ec2", "natgateway"): "AWS::EC2::NatGateway",
    ("ec2", "elastic-ip"): "AWS::EC2::EIP",
    ("ec2", "vpc-endpoint"): "AWS::EC2::VPCEndpoint",
    ("ec2", "network-interface"): "AWS::EC2::NetworkInterface",
    ("ec2", "vpc-flow-log"): "AWS::EC2::FlowLog",
}
"""Resource types of the Service Authorization Reference to those of CloudTrail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """When, where and from where a call came."""

    event_id: str
    request_id: str
    time: datetime
    account_id: str
    region: str
    source_ip_address: str
    user_agent: str


def event_record(
    call: Call, caller: Caller, at: Circumstances, resources: tuple[NamedResource, ...]
) -> JsonObject:
    """Return the record of a management event."""
    read_only = is_read_only(call.operation)
    record: dict[str, object] = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": user_identity(caller, at.account_id),
        "eventTime": at.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": event_source(call.service),
        "eventName": call.operation,
        "awsRegion": at.region,
        "sourceIPAddress": at.source_ip_address,
        "userAgent": at.user_agent,
    }
    if call.error_code:
        record |= {"errorCode": call.error_code, "errorMessage": call.error_message}
    inputs = call.model.input_shape if call.model else None
    outputs = call.model.output_shape if call.model else None
    record |= {
        "requestParameters": _shown(call.parameters, inputs, call.service) or None,
        "responseElements": None
        if read_only or call.error_code
        else _shown(call.result, outputs, call.service) or None,
        "requestID": at.request_id,
        "eventID": at.event_id,
        "readOnly": read_only,
    }
    if resources:
        record["resources"] = [
            {"accountId": at.account_id, "type": kind, "ARN": one.arn}
            for one in resources
            if (kind := resource_type(one))
        ]
    return {
        **record,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": at.account_id,
        "eventCategory": "Management",
    }


def event_source(service: str) -> str:
    """Return the `eventSource` of a service: `ecs.amazonaws.com`, ..."""
    if service == "cloudwatch":
        return "monitoring.amazonaws.com"
    return f"{PREFIXES.get(service, service)}.amazonaws.com"


def resource_type(resource: NamedResource) -> str:
    """Return CloudTrail's type of a resource, `""` where it is not known."""
    return _CFN_TYPES.get((resource.prefix, resource.type), "")


def resource_name(resource: NamedResource) -> str:
    """Return the name within an ARN: `web` of `.../service/c/web`."""
    tail = resource.arn.split(":", 5)[5]
    if resource.prefix == "elasticloadbalancing":
        return resource.arn
    if resource.prefix == "logs":
        return tail.removeprefix("log-group:").removesuffix(":*")
    if resource.prefix == "ecr":
        return tail.removeprefix("repository/")
    return tail.rpartition("/")[2].rpartition(":")[2] or tail


def _shown(value: JsonObject, shape: Shape | None, service: str) -> JsonObject | None:
    shown: Any = _show(value, shape, _SECRET_PARAMETERS.get(service, frozenset()))
    if len(str(shown)) > LONGEST_FIELD:
        return {"omitted": True}
    return shown if isinstance(shown, dict) else None


def _show(value: object, shape: Any, secret: frozenset[str]) -> object:
    """Return a value as CloudTrail writes it: lower camel case, secrets hidden, no blobs."""
    if shape is not None and shape.metadata.get("sensitive"):
        return HIDDEN
    if isinstance(value, Mapping):
        members = getattr(shape, "members", {}) if shape is not None else {}
        inner = getattr(shape, "value", None) if shape is not None else None
        return {
            (_camel(str(k)) if inner is None else str(k)): (
                HIDDEN
                if str(k).lower() in _SECRET_WORDS | secret
                else _show(v, members.get(k, inner), secret)
            )
            for k, v in value.items()
            if v is not None and not isinstance(v, bytes) and not hasattr(v, "read")
        }
    if isinstance(value, list | tuple):
        member = getattr(shape, "member", None) if shape is not None else None
        return [_show(v, member, secret) for v in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) else str(value)


def _camel(name: str) -> str:
    """`RoleName` → `roleName`, `DBInstance` → `dBInstance`, as CloudTrail does."""
    return name[:1].lower() + name[1:]
