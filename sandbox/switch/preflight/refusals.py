"""What real AWS would refuse though an emulator may not: sizes, overrides, names, zones."""

import re
from typing import Any

from sandbox.aws.ecs.task_definitions import FARGATE_SIZES
from sandbox.switch.preflight.line import Line, blocked, ok
from sandbox.switch.preflight.needs import Needs

_CHECK = "settings"
_LOCAL_ONLY = re.compile(
    r"^\s*(endpoints\s*\{|skip_credentials_validation|skip_requesting_account_id|"
    r"skip_metadata_api_check|s3_use_path_style|use_path_style|access_key\s*=|secret_key\s*=)",
    re.MULTILINE,
)
_DOMAIN = re.compile(r'^\s*domain_name\s*=\s*"([^"]+)"', re.MULTILINE)
_DOMAIN_VARIABLE = re.compile(
    r'^variable\s+"(domain(?:_name)?)"\s*\{[^}]*?^\s*default\s*=\s*"([^"]+)"', re.MULTILINE
)
_RESERVED = (".example", ".test", ".invalid", ".localhost", ".local", ".internal")
"""No public DNS answers for these. Source: RFC 2606, RFC 6762."""
_SANDBOX_ACCOUNT = re.compile(r"\b0{12}\b")


def check_settings(needs: Needs) -> list[Line]:
    """Find settings in the project's own files that AWS would refuse."""
    lines = [*_sizes(needs), *_overrides(needs), *_domains(needs), *_accounts(needs)]
    return lines or [ok(_CHECK, "nothing in Terraform or manifests that AWS would refuse")]


def check_zones(ec2: Any, needs: Needs) -> list[Line]:
    """Find availability zones of the plan that the region does not have."""
    wanted = {
        row.values["availability_zone"]: row.address
        for row in needs.of_type("aws_subnet")
        if row.values.get("availability_zone")
    }
    if not wanted:
        return []
    found = ec2.describe_availability_zones()["AvailabilityZones"]
    there = {row["ZoneName"] for row in found if row["State"] == "available"}
    region = ec2.meta.region_name
    mend = f"Choose from {', '.join(sorted(there))}, or another region."
    lines = [
        blocked(f"zone: {zone}", f"{address}: {region} has no such zone", mend)
        for zone, address in sorted(wanted.items())
        if zone not in there
    ]
    return lines or [ok("zones", f"{', '.join(sorted(wanted))} are there")]


def certificate_domains(needs: Needs) -> frozenset[str]:
    """Return the domains for which certificates would be requested."""
    if needs.planned is not None:
        rows = needs.of_type("aws_acm_certificate")
        return frozenset(str(row.values["domain_name"]) for row in rows)
    if "aws_acm_certificate" not in needs.resource_types:
        return frozenset()
    texts = "\n".join(needs.terraform_texts.values())
    variables = [
        needs.variables.get(f"TF_VAR_{name}", default)
        for name, default in _DOMAIN_VARIABLE.findall(texts)
    ]
    literal = [name for name in _DOMAIN.findall(texts) if "${" not in name]
    return frozenset([*literal, *variables])


def _sizes(needs: Needs) -> list[Line]:
    lines = []
    for task in needs.tasks:
        if not (task.cpu.isdigit() and task.memory.isdigit()):
            continue
        allowed = FARGATE_SIZES.get(int(task.cpu), frozenset())
        if int(task.memory) not in allowed:
            sizes = ", ".join(map(str, sorted(allowed))) or "no memory: that CPU does not exist"
            detail = f"{task.path}: {task.cpu} CPU with {task.memory} MiB is no Fargate size"
            lines.append(blocked(_CHECK, detail, f"With {task.cpu} CPU: {sizes}."))
    return lines


def _overrides(needs: Needs) -> list[Line]:
    return [
        blocked(
            _CHECK,
            f"{path}: `{match.strip()}` is meant for an emulator",
            "Take it out; the switch needs nothing in Terraform.",
        )
        for path, text in needs.terraform_texts.items()
        for match in sorted({found.group(1) for found in _LOCAL_ONLY.finditer(text)})
    ]


def _domains(needs: Needs) -> list[Line]:
    return [
        blocked(
            f"domain: {name}",
            "no public DNS can answer for this name, so ACM never validates it",
            "Name a domain of yours and its public zone; for infra/: "
            "export TF_VAR_domain=... TF_VAR_hosted_zone_id=...",
        )
        for name in sorted(certificate_domains(needs))
        if name.endswith(_RESERVED)
    ]


def _accounts(needs: Needs) -> list[Line]:
    documents = {path: str(document) for path, document in needs.harness.items()}
    return [
        blocked(
            _CHECK, f"{path} names account 000000000000", "Take the id from Terraform's outputs."
        )
        for path, text in {**needs.terraform_texts, **documents}.items()
        if _SANDBOX_ACCOUNT.search(text)
    ]
