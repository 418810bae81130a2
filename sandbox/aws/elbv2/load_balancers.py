"""Operations on load balancers and their attributes, subnets and security groups."""

import re
from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.elbv2 import attributes, exceptions, identifiers, params, responses
from sandbox.aws.elbv2.addresses import free_address
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.records import LoadBalancer, LoadBalancerSubnet
from sandbox.aws.elbv2.state import State
from sandbox.aws.ports import NetworkPlane
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")


class LoadBalancerOperations:
    """Handlers; each runs inside `State.change()`."""

    def __init__(self, state: State, network: NetworkPlane, *, alb_network: str) -> None:
        self._state = state
        self._network = network
        self._alb_network = alb_network

    def handlers(self) -> Mapping[str, Handler]:
        """Return the operations by name."""
        return {
            "CreateLoadBalancer": self.create,
            "DescribeLoadBalancers": self.describe,
            "DeleteLoadBalancer": self.delete,
            "DescribeLoadBalancerAttributes": self.describe_attributes,
            "ModifyLoadBalancerAttributes": self.modify_attributes,
            "SetSecurityGroups": self.set_security_groups,
            "SetSubnets": self.set_subnets,
            "SetIpAddressType": self.set_ip_address_type,
            "DescribeCapacityReservation": self.describe_capacity_reservation,
        }

    def create(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """CreateLoadBalancer: the same name with the same settings is answered again."""
        name = params.text(request, "Name")
        _check_name(name)
        _refuse_unbuilt(request)
        subnets, vpc_id = self._subnets(context.region, request)
        wanted = LoadBalancer(
            arn="",
            name=name,
            account_id=context.account_id,
            region=context.region,
            scheme=params.text(request, "Scheme", "internet-facing"),
            ip_address_type=params.text(request, "IpAddressType", "ipv4"),
            vpc_id=vpc_id,
            subnets=subnets,
            security_groups=self._security_groups(context.region, request),
            dns_name="",
            created_at=context.now,
            address="",
            tags=params.pairs(request, "Tags"),
        )
        existing = self._by_name(context, name)
        if existing is None:
            existing = self._new(context, wanted)
        elif not _same_settings(existing, wanted):
            raise exceptions.duplicate_load_balancer(name)
        return {"LoadBalancers": [responses.load_balancer(existing)]}

    def _new(self, context: RequestContext, wanted: LoadBalancer) -> LoadBalancer:
        taken = {record.address for record in self._state.load_balancers()}
        record = replace(
            wanted,
            arn=identifiers.load_balancer_arn(context, wanted.name),
            dns_name=identifiers.dns_name(wanted.name, wanted.region, wanted.scheme),
            address=free_address(self._alb_network, taken),
        )
        self._state.put(record)
        return record

    def _subnets(
        self, region: str, request: JsonObject
    ) -> tuple[tuple[LoadBalancerSubnet, ...], str]:
        mappings = params.objects(request, "SubnetMappings")
        ids = params.texts(request, "Subnets") or tuple(
            params.text(mapping, "SubnetId") for mapping in mappings
        )
        found = []
        for subnet_id in dict.fromkeys(ids):
            subnet = self._network.subnet(region, subnet_id)
            if subnet is None:
                raise exceptions.subnet_not_found(subnet_id)
            found.append(subnet)
        zones = [subnet.availability_zone for subnet in found]
        if len(set(zones)) != len(zones):
            raise AwsError(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same "
                "Availability Zone",
            )
        if len(zones) < 2:
            raise validation_error(
                "At least two subnets in two different Availability Zones must be specified"
            )
        if len({subnet.vpc_id for subnet in found}) > 1:
            raise AwsError("InvalidSubnet", "All subnets must belong to the same VPC")
        records = tuple(
            LoadBalancerSubnet(subnet_id=x.id, availability_zone=x.availability_zone) for x in found
        )
        return records, found[0].vpc_id

    def _security_groups(self, region: str, request: JsonObject) -> tuple[str, ...]:
        groups = params.texts(request, "SecurityGroups")
        for group_id in groups:
            if not self._network.security_group_exists(region, group_id):
                raise exceptions.security_group_not_found(group_id)
        return groups

    def describe(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeLoadBalancers: by ARN, by name, or all."""
        arns, names = params.texts(request, "LoadBalancerArns"), params.texts(request, "Names")
        if arns:
            found = [self._state.load_balancer(arn) for arn in arns]
        else:
            found = [x for x in self._all(context) if not names or x.name in names]
            missing = sorted(set(names) - {record.name for record in found})
            if missing:
                raise exceptions.load_balancer_names_not_found(missing)
        records, more = responses.page(request, found)
        return {"LoadBalancers": [responses.load_balancer(record) for record in records], **more}

    def delete(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DeleteLoadBalancer: takes its listeners and rules along; a missing one is fine."""
        try:
            record = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        except AwsError:
            return {}
        if record.attributes.get("deletion_protection.enabled") == "true":
            raise exceptions.not_permitted(
                f"Load balancer '{record.arn}' cannot be deleted because deletion protection "
                "is enabled"
            )
        for listener in self._state.listeners_of(record.arn):
            for rule in self._state.rules_of(listener.arn):
                self._state.delete(rule)
            self._state.delete(listener)
        self._state.delete(record)
        return {}

    def describe_attributes(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeLoadBalancerAttributes."""
        record = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        values = {**attributes.LOAD_BALANCER, **record.attributes}
        return {"Attributes": responses.key_values(values)}

    def modify_attributes(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """ModifyLoadBalancerAttributes."""
        record = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        changes = params.pairs(request, "Attributes")
        merged = attributes.merge(
            "Load balancer", attributes.LOAD_BALANCER, record.attributes, changes
        )
        self._state.put(replace(record, attributes=merged))
        return self.describe_attributes(context, request)

    def set_security_groups(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """SetSecurityGroups."""
        record = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        groups = self._security_groups(context.region, request)
        self._state.put(replace(record, security_groups=groups))
        return {"SecurityGroupIds": list(groups)}

    def set_subnets(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """SetSubnets."""
        record = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        subnets, vpc_id = self._subnets(context.region, request)
        if vpc_id != record.vpc_id:
            raise AwsError("InvalidSubnet", "All subnets must belong to the load balancer's VPC")
        record = replace(record, subnets=subnets)
        self._state.put(record)
        return {
            "AvailabilityZones": responses.availability_zones(record),
            "IpAddressType": record.ip_address_type,
        }

    def set_ip_address_type(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """SetIpAddressType: kept and answered; the data plane is IPv4 only."""
        record = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        kind = params.text(request, "IpAddressType")
        self._state.put(replace(record, ip_address_type=kind))
        return {"IpAddressType": kind}

    def describe_capacity_reservation(
        self, context: RequestContext, request: JsonObject
    ) -> JsonObject:
        """DescribeCapacityReservation: none was ever made, as making one is not built."""
        self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        return {
            "LastModifiedTime": context.now,
            "DecreaseRequestsRemaining": 2,
            "CapacityReservationState": [],
        }

    def _all(self, context: RequestContext) -> list[LoadBalancer]:
        return [
            record
            for record in self._state.load_balancers()
            if (record.account_id, record.region) == (context.account_id, context.region)
        ]

    def _by_name(self, context: RequestContext, name: str) -> LoadBalancer | None:
        return next((record for record in self._all(context) if record.name == name), None)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 32:
        raise validation_error(f"Load balancer name '{name}' cannot be longer than '32' characters")
    if not _NAME.fullmatch(name):
        raise validation_error(
            f"Load balancer name '{name}' can only contain characters that are alphanumeric "
            "characters and hyphens(-), and cannot begin or end with a hyphen"
        )
    if name.startswith("internal-"):
        raise validation_error(f"Load balancer name '{name}' cannot begin with 'internal-'")


def _refuse_unbuilt(request: JsonObject) -> None:
    kind = params.text(request, "Type", "application")
    if kind != "application":
        raise not_implemented("elbv2", "CreateLoadBalancer", f"Type={kind}")
    for member in ("CustomerOwnedIpv4Pool", "IpamPools"):
        if request.get(member):
            raise not_implemented("elbv2", "CreateLoadBalancer", member)


def _same_settings(existing: LoadBalancer, wanted: LoadBalancer) -> bool:
    # Source: API Reference: idempotent on the same settings; tags are not among them.
    return (
        existing.scheme == wanted.scheme
        and existing.ip_address_type == wanted.ip_address_type
        and set(existing.subnets) == set(wanted.subnets)
        and set(existing.security_groups) == set(wanted.security_groups)
    )
