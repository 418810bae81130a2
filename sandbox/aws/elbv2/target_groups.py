"""Operations on target groups and their attributes."""

import re
from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.elbv2 import attributes, exceptions, identifiers, params, responses
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.records import HealthCheckSettings, TargetGroup
from sandbox.aws.elbv2.state import State
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import not_implemented
from sandbox.types import JsonObject

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_CODES = re.compile(r"[2-4]\d\d(-[2-4]\d\d)?(,[2-4]\d\d(-[2-4]\d\d)?)*")


class TargetGroupOperations:
    """Handlers; each runs inside `State.change()`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> Mapping[str, Handler]:
        """Return the operations by name."""
        return {
            "CreateTargetGroup": self.create,
            "DescribeTargetGroups": self.describe,
            "ModifyTargetGroup": self.modify,
            "DeleteTargetGroup": self.delete,
            "DescribeTargetGroupAttributes": self.describe_attributes,
            "ModifyTargetGroupAttributes": self.modify_attributes,
        }

    def create(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """CreateTargetGroup: the same name with the same settings is answered again."""
        name = params.text(request, "Name")
        _check_name(name)
        _refuse_unbuilt(request)
        wanted = TargetGroup(
            arn=identifiers.target_group_arn(context, name),
            name=name,
            account_id=context.account_id,
            region=context.region,
            protocol=params.text(request, "Protocol"),
            protocol_version=params.text(request, "ProtocolVersion", "HTTP1"),
            port=params.number(request, "Port", 0),
            vpc_id=params.text(request, "VpcId"),
            target_type=params.text(request, "TargetType", "instance"),
            ip_address_type=params.text(request, "IpAddressType", "ipv4"),
            health_check=_health_check(request, HealthCheckSettings()),
            created_at=context.now,
            tags=params.pairs(request, "Tags"),
        )
        _check(wanted)
        existing = next((x for x in self._all(context) if x.name == name), None)
        if existing is None:
            self._state.put(wanted)
            existing = wanted
        elif not _same_settings(existing, wanted):
            raise exceptions.duplicate_target_group(name)
        return {"TargetGroups": [self._render(existing)]}

    def _all(self, context: RequestContext) -> list[TargetGroup]:
        return [
            record
            for record in self._state.target_groups()
            if (record.account_id, record.region) == (context.account_id, context.region)
        ]

    def _render(self, record: TargetGroup) -> JsonObject:
        users = self._state.uses().get(record.arn, set())
        return responses.target_group(record, sorted(users))

    def describe(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeTargetGroups: by ARN, name or load balancer, or all."""
        arns, names = params.texts(request, "TargetGroupArns"), params.texts(request, "Names")
        load_balancer_arn = params.text(request, "LoadBalancerArn")
        found = self._all(context)
        if load_balancer_arn:
            self._state.load_balancer(load_balancer_arn)
            uses = self._state.uses()
            found = [x for x in found if load_balancer_arn in uses.get(x.arn, ())]
        if arns:
            found = [record for record in found if record.arn in arns]
        if names:
            found = [record for record in found if record.name in names]
        if len(found) < max(len(set(arns)), len(set(names))):
            raise exceptions.target_groups_not_found()
        records, more = responses.page(request, found)
        return {"TargetGroups": [self._render(record) for record in records], **more}

    def modify(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """ModifyTargetGroup: changes the health check; what is not given stays."""
        before = self._state.target_group(params.text(request, "TargetGroupArn"))
        after = replace(before, health_check=_health_check(request, before.health_check))
        _check(after)
        self._state.put(after)
        return {"TargetGroups": [self._render(after)]}

    def delete(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DeleteTargetGroup: takes its targets along; a missing group is fine."""
        record = self._state.find_target_group(params.text(request, "TargetGroupArn"))
        if record is None:
            return {}
        if record.arn in self._state.uses():
            raise exceptions.target_group_in_use(record.arn)
        for target in self._state.targets_of(record.arn):
            self._state.delete(target)
        self._state.delete(record)
        return {}

    def describe_attributes(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeTargetGroupAttributes."""
        record = self._state.target_group(params.text(request, "TargetGroupArn"))
        values = {**attributes.TARGET_GROUP, **record.attributes}
        return {"Attributes": responses.key_values(values)}

    def modify_attributes(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """ModifyTargetGroupAttributes."""
        record = self._state.target_group(params.text(request, "TargetGroupArn"))
        changes = params.pairs(request, "Attributes")
        merged = attributes.merge(
            "Target group", attributes.TARGET_GROUP, record.attributes, changes
        )
        self._state.put(replace(record, attributes=merged))
        return self.describe_attributes(context, request)


def _check_name(name: str) -> None:
    if len(name) > 32:
        raise validation_error(f"Target group name '{name}' cannot be longer than '32' characters")
    if not _NAME.fullmatch(name):
        raise validation_error(
            f"Target group name '{name}' can only contain characters that are alphanumeric "
            "characters or hyphens(-), and cannot begin or end with a hyphen"
        )


def _refuse_unbuilt(request: JsonObject) -> None:
    kind = params.text(request, "TargetType", "instance")
    if kind not in {"ip", "instance"}:
        raise not_implemented("elbv2", "CreateTargetGroup", f"TargetType={kind}")
    protocol = params.text(request, "Protocol")
    if protocol and protocol not in {"HTTP", "HTTPS"}:
        raise not_implemented("elbv2", "CreateTargetGroup", f"Protocol={protocol}")
    version = params.text(request, "ProtocolVersion", "HTTP1")
    if version == "GRPC":
        raise not_implemented("elbv2", "CreateTargetGroup", f"ProtocolVersion={version}")
    if params.text(request, "IpAddressType", "ipv4") != "ipv4":
        raise not_implemented("elbv2", "CreateTargetGroup", "IpAddressType=ipv6")
    if request.get("TargetControlPort") is not None:
        raise not_implemented("elbv2", "CreateTargetGroup", "TargetControlPort")


def _health_check(request: JsonObject, before: HealthCheckSettings) -> HealthCheckSettings:
    if request.get("HealthCheckEnabled") is False:
        raise validation_error(
            "Health check enabled must be true for target groups with target type 'ip'"
        )
    return HealthCheckSettings(
        protocol=params.text(request, "HealthCheckProtocol", before.protocol),
        port=params.text(request, "HealthCheckPort", before.port),
        path=params.text(request, "HealthCheckPath", before.path),
        interval_s=params.number(request, "HealthCheckIntervalSeconds", before.interval_s),
        timeout_s=params.number(request, "HealthCheckTimeoutSeconds", before.timeout_s),
        healthy_threshold=params.number(request, "HealthyThresholdCount", before.healthy_threshold),
        unhealthy_threshold=params.number(
            request, "UnhealthyThresholdCount", before.unhealthy_threshold
        ),
        matcher=params.text(params.child(request, "Matcher"), "HttpCode", before.matcher),
    )


def _check(record: TargetGroup) -> None:
    if not record.protocol:
        raise validation_error("A protocol must be specified")
    if not 1 <= record.port <= 65535:
        raise validation_error("A port must be specified")
    if not record.vpc_id:
        raise validation_error("A VPC ID must be specified")
    check = record.health_check
    if check.protocol not in {"HTTP", "HTTPS"}:
        raise validation_error(
            f"Health check protocol '{check.protocol}' must be one of 'HTTP, HTTPS'"
        )
    _check_numbers(check)
    if not check.path.startswith("/"):
        raise validation_error(f"Health check path '{check.path}' must begin with a '/' character")
    if not _CODES.fullmatch(check.matcher):
        raise validation_error(f"Health check matcher HTTP code '{check.matcher}' is not valid")
    if check.port != "traffic-port" and not check.port.isdecimal():
        raise validation_error(f"Health check port '{check.port}' must be 'traffic-port' or a port")


def _check_numbers(check: HealthCheckSettings) -> None:
    ranges = (
        ("interval", check.interval_s, 5, 300),
        ("timeout", check.timeout_s, 2, 120),
        ("healthy threshold count", check.healthy_threshold, 2, 10),
        ("unhealthy threshold count", check.unhealthy_threshold, 2, 10),
    )
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise validation_error(
                f"Health check {name} '{value}' must be between {low} and {high}"
            )
    if check.timeout_s >= check.interval_s:
        raise validation_error(
            f"Health check timeout '{check.timeout_s}' must be smaller than the interval "
            f"'{check.interval_s}'"
        )


def _same_settings(existing: TargetGroup, wanted: TargetGroup) -> bool:
    if existing.vpc_id != wanted.vpc_id or existing.port != wanted.port:
        return False
    if (existing.protocol, existing.protocol_version) != (
        wanted.protocol,
        wanted.protocol_version,
    ):
        return False
    same = existing.health_check == wanted.health_check
    return same and existing.target_type == wanted.target_type
