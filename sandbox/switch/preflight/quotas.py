"""Quotas that the stack would meet: what is used, what is planned, what is allowed.

Source: Service Quotas console, codes of each quota (2025).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandbox.switch.preflight.line import Line, blocked, ok, warning
from sandbox.switch.preflight.needs import Needs

Client = Callable[[str], Any]
_VCPU = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One quota; `count` says how much of it is used now."""

    what: str
    type: str
    """The Terraform resource type that uses it up."""
    service: str
    code: str
    count: Callable[[Client], int]


def _pages(client: Any, operation: str, key: str, **arguments: object) -> list[Any]:
    pages = client.get_paginator(operation).paginate(**arguments)
    return [row for page in pages for row in page[key]]


def _nat_gateways(client: Client) -> int:
    rows = _pages(client("ec2"), "describe_nat_gateways", "NatGateways")
    zones = [row["SubnetId"] for row in rows if row["State"] in {"available", "pending"}]
    return max((zones.count(zone) for zone in zones), default=0)


def _balancers(client: Client) -> int:
    rows = _pages(client("elbv2"), "describe_load_balancers", "LoadBalancers")
    return sum(row["Type"] == "application" for row in rows)


QUOTAS = (
    Quota(
        what="VPCs", type="aws_vpc", service="vpc", code="L-F678F1CE",
        count=lambda c: len(_pages(c("ec2"), "describe_vpcs", "Vpcs")),
    ),
    Quota(
        what="internet gateways", type="aws_internet_gateway", service="vpc", code="L-A4707A72",
        count=lambda c: len(_pages(c("ec2"), "describe_internet_gateways", "InternetGateways")),
    ),
    Quota(
        what="Elastic IPs", type="aws_eip", service="ec2", code="L-0263D0A3",
        count=lambda c: len(c("ec2").describe_addresses()["Addresses"]),
    ),
    Quota(
        what="NAT gateways in one zone", type="aws_nat_gateway", service="vpc",
        code="L-FE5A380F", count=_nat_gateways,
    ),
    Quota(
        what="application load balancers", type="aws_lb", service="elasticloadbalancing",
        code="L-53DA6B97", count=_balancers,
    ),
    Quota(
        what="target groups", type="aws_lb_target_group", service="elasticloadbalancing",
        code="L-B22855CB",
        count=lambda c: len(_pages(c("elbv2"), "describe_target_groups", "TargetGroups")),
    ),
    Quota(
        what="IAM roles", type="aws_iam_role", service="iam", code="L-FE177D64",
        count=lambda c: len(_pages(c("iam"), "list_roles", "Roles")),
    ),
    Quota(
        what="ECR repositories", type="aws_ecr_repository", service="ecr", code="L-CFEB8E8D",
        count=lambda c: len(_pages(c("ecr"), "describe_repositories", "repositories")),
    ),
)  # fmt: skip


def check_quotas(client: Client, needs: Needs) -> list[Line]:
    """Compare what is used and planned with what is allowed."""
    lines = [_check(quota, client, needs) for quota in QUOTAS if quota.type in needs.resource_types]
    return lines + _fargate(client, needs)


def _check(quota: Quota, client: Client, needs: Needs) -> Line:
    allowed = _allowed(client, quota.service, quota.code)
    # Without a plan at least one of each kind is sure.
    planned = len(needs.of_type(quota.type)) if needs.planned is not None else 1
    used = quota.count(client)
    check = f"quota: {quota.what}"
    if allowed is None:
        mend = f"Look it up: Service Quotas, {quota.service}, {quota.code}."
        return warning(check, f"{used} used, {planned} more; the limit is not known", mend)
    detail = f"{used} used, {planned} more, {allowed:.0f} allowed"
    if used + planned <= allowed:
        return ok(check, detail)
    return blocked(check, detail, _request(quota.service, quota.code, used + planned))


def _fargate(client: Client, needs: Needs) -> list[Line]:
    sizes = [int(task.cpu) / _VCPU for task in needs.tasks if task.cpu.isdigit()]
    if not sizes:
        return []
    # Old and new tasks of a service run side by side while it is deployed.
    wanted = 2 * sum(sizes)
    allowed = _allowed(client, "fargate", "L-3032A538")
    check = "quota: Fargate vCPUs"
    if allowed is None:
        mend = "Look it up: Service Quotas, fargate, L-3032A538 (new accounts have few)."
        return [warning(check, f"{wanted:g} for one task of each kind twice; limit unknown", mend)]
    detail = f"{wanted:g} for one task of each kind twice, {allowed:g} allowed"
    if wanted <= allowed:
        return [ok(check, detail)]
    return [blocked(check, detail, _request("fargate", "L-3032A538", wanted))]


def _allowed(client: Client, service: str, code: str) -> float | None:
    quotas = client("service-quotas")
    for operation in (quotas.get_service_quota, quotas.get_aws_default_service_quota):
        try:
            return float(operation(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
        except ClientError:
            continue  # not applied in this account, or not to be seen by this caller
    return None


def _request(service: str, code: str, value: float) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code {service} "
        f"--quota-code {code} --desired-value {value:g}"
    )
