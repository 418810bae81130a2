"""What must be there before the stack is: zones for certificates, certificates, secrets' values."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.switch.preflight.line import Line, blocked, ok, warning
from sandbox.switch.preflight.needs import Needs
from sandbox.switch.preflight.refusals import certificate_domains

Client = Callable[[str], Any]
_CERTIFICATE = re.compile(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+")


def check_certificates(client: Client, needs: Needs) -> list[Line]:
    """Tell whether named certificates are issued, and new ones can be validated."""
    texts = [*needs.terraform_texts.values(), str(needs.harness), str(needs.planned)]
    arns = sorted({arn for text in texts for arn in _CERTIFICATE.findall(text)})
    lines = [_issued(client("acm"), arn) for arn in arns]
    domains = certificate_domains(needs)
    if domains:
        zones = _public_zones(client("route53"))
        made = "aws_route53_zone" in needs.resource_types
        lines += [_validated(domain, zones, made=made) for domain in sorted(domains)]
    return lines


def check_secrets(client: Client, needs: Needs) -> list[Line]:
    """Tell which secrets have no value, so that a task with them would not start."""
    pages = client("secretsmanager").get_paginator("list_secrets").paginate()
    rows = [row for page in pages for row in page["SecretList"]]
    empty = [
        row["Name"]
        for row in rows
        if not any("AWSCURRENT" in stages for stages in _stages(row).values())
    ]
    lines = [
        blocked(
            f"secret: {name}",
            "it has no current value: a task that reads it cannot start",
            f"aws secretsmanager put-secret-value --secret-id {name} --secret-string file://...",
        )
        for name in sorted(empty)
    ]
    types = needs.resource_types
    if "aws_secretsmanager_secret" in types and "aws_secretsmanager_secret_version" not in types:
        mend = (
            "Put the value with `aws secretsmanager put-secret-value` before the first deployment."
        )
        lines.append(warning("secrets", "the stack makes secrets without values", mend))
    return lines or [ok("secrets", f"each of the {len(rows)} secrets there has a value")]


def _stages(row: Mapping[str, Any]) -> Mapping[str, Any]:
    stages: Mapping[str, Any] = row.get("SecretVersionsToStages") or {}
    return stages


def check_placeholders(needs: Needs, environment: Mapping[str, str]) -> list[Line]:
    """Tell which values `sandbox sync` would ask the environment for in vain."""
    rows = needs.harness.get("sync.yaml", {}).get("placeholders") or ()
    missing = [
        row["name"]
        for row in rows
        if row.get("default") is None and not environment.get(row["name"])
    ]
    lines = [
        blocked(
            f"variable: {name}",
            "sandbox sync needs it, for a secret or connector of Harness",
            f"export {name}=...",
        )
        for name in missing
    ]
    return lines or [ok("variables of sync", f"all {len(rows)} have a value")] if rows else []


def _issued(acm: Any, arn: str) -> Line:
    check = f"certificate: {arn.rpartition('/')[2]}"
    try:
        status = acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return blocked(check, f"{arn} does not exist", "Request it, in the load balancer's region.")
    if status == "ISSUED":
        return ok(check, "issued")
    return blocked(
        check, f"its status is {status}", "Finish its validation: aws acm describe-certificate."
    )


def _public_zones(route53: Any) -> frozenset[str]:
    pages = route53.get_paginator("list_hosted_zones").paginate()
    return frozenset(
        row["Name"].rstrip(".")
        for page in pages
        for row in page["HostedZones"]
        if not row["Config"]["PrivateZone"]
    )


def _validated(domain: str, zones: frozenset[str], *, made: bool) -> Line:
    check = f"certificate: {domain}"
    name = domain.removeprefix("*.")
    found = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    if found:
        return ok(check, f"validated by the zone {max(found, key=len)}")
    detail = "no public zone of this account answers for it; Terraform would wait 75 minutes"
    if made:
        mend = (
            "Delegate the name to the zone's servers while the stack makes it, or make the zone "
            "first and name it with hosted_zone_id."
        )
        return warning(check, detail, mend)
    return blocked(check, detail, "Make a public hosted zone, and delegate the name to it.")
