"""From an API call to the permissions that it needed: actions on the resources that it named.

Pure. A resource that the request does not name in full has `*` for what is missing; an
action that knows no resources has `*` alone.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sandbox.aws.trail.actions import PASSED_TO, iam_actions
from sandbox.aws.trail.authorization import ResourceType, resource_types
from sandbox.types import JsonObject

MOST_RESOURCES = 100
"""So many resources of one call are told apart; a call that names more is rare."""

_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")
_SUFFIXES = ("WithPath", "WithoutLeadingSlash")

_PARAMETERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("ecs", "ClusterName"): ("cluster", "clusterName", "clusters"),
    ("ecs", "TaskDefinitionFamilyName"): ("taskDefinition", "family"),
    ("ecs", "TaskDefinitionRevisionNumber"): (),
    ("s3", "BucketName"): ("Bucket",),
    ("s3", "ObjectName"): ("Key",),
    ("elasticloadbalancing", "LoadBalancerName"): ("Name", "LoadBalancerName"),
    ("elasticloadbalancing", "TargetGroupName"): ("Name",),
    ("secretsmanager", "SecretId"): ("SecretId", "Name", "SecretIdList"),
    ("kms", "KeyId"): ("KeyId", "TargetKeyId"),
    ("kms", "Alias"): ("AliasName", "KeyId"),
    ("sns", "TopicName"): ("Name",),
    ("sqs", "QueueName"): ("QueueName", "QueueUrl"),
    ("application-autoscaling", "ResourceId"): (),
    ("route53", "Id"): ("HostedZoneId", "Id", "ResourceId"),
    ("cloudtrail", "TrailName"): ("Name", "TrailName", "TrailNameList"),
    ("events", "RuleName"): ("Name", "Rule"),
    ("ec2", "SecurityGroupId"): ("GroupId", "GroupIds", "SecurityGroupId", "SecurityGroupIds"),
    ("ec2", "AllocationId"): ("AllocationId",),
    ("ssm", "ParameterNameWithoutLeadingSlash"): ("Name", "Names", "Path", "ResourceId"),
}
"""Parameters that hold an ARN's variable, where the name does not tell."""

_EC2_IDS: Mapping[str, str] = {
    "vpc": "vpc",
    "subnet": "subnet",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "igw": "internet-gateway",
    "rtb": "route-table",
    "nat": "natgateway",
    "eni": "network-interface",
    "eipalloc": "elastic-ip",
    "acl": "network-acl",
    "vpce": "vpc-endpoint",
    "fl": "vpc-flow-log",
    "pcx": "vpc-peering-connection",
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "lt": "launch-template",
    "key": "key-pair",
    "dopt": "dhcp-options",
}
"""Prefix of an EC2 id to its resource type, for operations on ids of any type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a call was made: what fills the first parts of an ARN."""

    account_id: str
    region: str
    partition: str = "aws"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Grant:
    """One permission."""

    action: str
    resource: str
    passed_to: str = ""
    """For `iam:PassRole`: the service that the role is passed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedResource:
    """A resource that a request names."""

    prefix: str
    type: str
    arn: str


def grants_of(
    service: str,
    operation: str,
    parameters: JsonObject,
    scope: Scope,
    *,
    roles: Sequence[str] = (),
) -> tuple[Grant, ...]:
    """Return what a call needs, sorted.

    Args:
        service: botocore's name.
        operation: the API operation.
        parameters: of the request.
        scope: account and region.
        roles: roles that the operation passes beside those that the request names.

    """
    actions = iam_actions(service, operation, parameters)
    found: set[Grant] = set()
    main = {t.name: t for t in (resource_types(actions[0]) or ())} if actions else {}
    for action in actions:
        types = resource_types(action) or ()
        # `ecs:TagResource` beside CreateCluster is about clusters, as CreateCluster itself is.
        common = tuple(main[t.name] for t in types if t.name in main)
        arns = list(_arns(_named(action, common or types, parameters, scope)))
        found |= {Grant(action=action, resource=arn) for arn in arns or ["*"]}
    passed_to = PASSED_TO.get(f"{service}.{operation}")
    if passed_to:
        passed = {*roles, *(v for v in _strings(parameters) if _ROLE.fullmatch(v))}
        found |= {Grant(action="iam:PassRole", resource=r, passed_to=passed_to) for r in passed}
    return tuple(sorted(found))


def named_resources(
    service: str, operation: str, parameters: JsonObject, scope: Scope
) -> tuple[NamedResource, ...]:
    """Return the resources that a call names in full."""
    actions = iam_actions(service, operation, parameters)
    if not actions:
        return ()
    found = _named(actions[0], resource_types(actions[0]) or (), parameters, scope)
    return tuple(one for one in found if not {"*", "?"} & set(one.arn))


def _arns(resources: Sequence[NamedResource]) -> Iterator[str]:
    for one in resources:
        yield one.arn
        if (one.prefix, one.type) == ("logs", "log-group") and not one.arn.endswith("*"):
            # Some actions on a group are asked of `GROUP:log-stream:`. Source: CloudWatch Logs
            # user guide, "Managing access permissions": log group ARNs with and without `:*`.
            yield f"{one.arn}:*"


def _named(
    action: str, types: Sequence[ResourceType], parameters: JsonObject, scope: Scope
) -> list[NamedResource]:
    prefix = action.partition(":")[0]
    values = _Values(prefix, parameters)
    found: list[NamedResource] = []
    bare: list[NamedResource] = []
    for kind in _eligible(prefix, types, parameters):
        arns = [arn for arn in values.arns if kind.matches(arn)]
        is_named = bool(arns)
        if not arns:
            arns, is_named = values.fill(kind, scope)
        rows = [NamedResource(prefix=prefix, type=kind.name, arn=arn) for arn in arns]
        if is_named:
            found += rows
        elif kind.required:
            bare += rows
    # `vpc/*` beside `subnet/*` for CreateSubnet; one type alone where a choice is meant
    return found + bare


def _eligible(
    prefix: str, types: Sequence[ResourceType], parameters: JsonObject
) -> Iterator[ResourceType]:
    """Yield the types that a request can mean."""
    if prefix == "elasticloadbalancing" and "Name" in parameters and "Subnets" in parameters:
        chosen = {"network": "net", "gateway": "gwy"}.get(str(parameters.get("Type")), "app")
        yield from (t for t in types if t.name == f"loadbalancer/{chosen}/")
        return
    said = str(parameters.get("ResourceType", "")).lower()
    named = [t for t in types if t.name.lower() == said]
    for kind in named or types:
        # The types of access points and the like; and a v1 load balancer has an ARN of its own.
        if prefix == "s3" and kind.name not in {"bucket", "object", "job"}:
            continue
        if prefix == "elasticloadbalancing" and kind.name == "loadbalancer":
            continue
        yield kind


class _Values:
    """The strings of one request, by parameter."""

    def __init__(self, prefix: str, parameters: JsonObject) -> None:
        self._prefix = prefix
        self._by_name: dict[str, list[str]] = {}
        _collect(parameters, self._by_name)
        self.arns = sorted(
            {v for vs in self._by_name.values() for v in vs if v.startswith("arn:")}
        )[:MOST_RESOURCES]

    def fill(self, kind: ResourceType, scope: Scope) -> tuple[list[str], bool]:
        """Return ARNs of one type, and whether the request names such a resource at all."""
        own = [self._of(variable) for variable in kind.variables]
        if self._prefix == "ec2" and not any(own):
            own = [self._ec2_ids(kind.name)] if kind.variables else []
        names = kind.variables[: len(own)]
        telling = [
            v for name, v in zip(names, own, strict=True) if not self._is_context(name, kind)
        ]
        arns = []
        combinations = itertools.product(*(v or ["*"] for v in own))
        for values in itertools.islice(combinations, MOST_RESOURCES):
            known = {
                "Partition": scope.partition,
                "Region": scope.region,
                "Account": scope.account_id,
                **dict(zip(names, values, strict=True)),
            }
            arns.append(kind.arn(known))
        return arns, any(telling)

    def _of(self, variable: str) -> list[str]:
        key = (self._prefix, variable)
        candidates = _PARAMETERS[key] if key in _PARAMETERS else _generic(variable)
        found = [v for name in candidates for v in self._by_name.get(name.lower(), ())]
        cleaned = [self._clean(variable, v) for v in found if v]
        if not cleaned and key == ("ecs", "ClusterName"):
            return ["default"]
        return sorted({value for value in cleaned if value})

    def _clean(self, variable: str, value: str) -> str:
        prefix = self._prefix
        if value.startswith("arn:"):
            # The ARN of something else than this type: only a cluster is spelt both ways.
            return value.rpartition("/")[2] if variable == "ClusterName" else ""
        if prefix == "kms":
            is_alias = value.startswith("alias/")
            wants_alias = variable == "Alias"
            return value.removeprefix("alias/") if is_alias == wants_alias else ""
        if variable == "TaskDefinitionFamilyName":
            return value.partition(":")[0]
        if prefix == "secretsmanager" and variable == "SecretId":
            return f"{value}-??????"  # Source: Secrets Manager user guide, "IAM policy examples"
        if variable in {"QueueName", "Id"}:
            return value.rpartition("/")[2]
        return value.lstrip("/") if variable == "ParameterNameWithoutLeadingSlash" else value

    def _ec2_ids(self, kind: str) -> list[str]:
        ids = [*self._by_name.get("resources", ()), *self._by_name.get("resourceid", ())]
        return sorted({i for i in ids if _EC2_IDS.get(i.rpartition("-")[0]) == kind})

    def _is_context(self, variable: str, kind: ResourceType) -> bool:
        """Tell whether a variable only says where; it names no resource of this type."""
        return variable == "ClusterName" and kind.name != "cluster"


def _generic(variable: str) -> tuple[str, ...]:
    for suffix in _SUFFIXES:
        variable = variable.removesuffix(suffix)
    stem = variable.removesuffix("Name").removesuffix("Id")
    return (variable, f"{variable}s", stem, f"{stem}s") if stem else (variable,)


def _collect(value: object, found: dict[str, list[str]], name: str = "") -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _collect(inner, found, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            _collect(inner, found, name)
    elif isinstance(value, str) and name:
        found.setdefault(name.lower(), []).append(value)


def _strings(value: object) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    _collect(value, found)
    for values in found.values():
        yield from values
