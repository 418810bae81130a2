"""Names that the plan would give and that are taken already; it needs a plan."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.switch.preflight.line import Line, blocked, ok, warning
from sandbox.switch.preflight.needs import Needs, Planned

Client = Callable[[str], Any]
_CHECK = "names"
_PLAN = (
    "Give it: terraform plan -out=tfplan && terraform show -json tfplan > plan.json, "
    "then --plan plan.json."
)


def check_names(client: Client, needs: Needs) -> list[Line]:
    """Tell which planned names exist already, here or (buckets) anywhere."""
    if needs.planned is None:
        return [warning(_CHECK, "not checked: only a plan says which names are given", _PLAN)]
    lines = []
    count = 0
    for row in needs.planned:
        lookup = _LOOKUPS.get(row.type)
        name = row.values.get(_NAME_KEYS.get(row.type, "name"))
        if lookup is None or not isinstance(name, str):
            continue
        count += 1
        taken = lookup(client, name)
        if taken:
            lines.append(blocked(f"name: {name}", f"{row.address}: {taken}", _mend(row, name)))
    return lines or [ok(_CHECK, f"none of {count} planned names is taken")]


def _bucket(client: Client, name: str) -> str:
    try:
        client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        # 301: it lives in another region, so somebody has it.
        return "" if status == 404 else "the bucket belongs to another account or region"
    return "the bucket exists in this account"


def _there(operation: Callable[[], Any], key: str, what: str) -> str:
    try:
        return what if operation()[key] else ""
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "NotFound" in code or code == "NoSuchEntity":
            return ""
        raise


def _repository(client: Client, name: str) -> str:
    return _there(
        lambda: client("ecr").describe_repositories(repositoryNames=[name]),
        "repositories",
        "the repository exists",
    )


def _balancer(client: Client, name: str) -> str:
    return _there(
        lambda: client("elbv2").describe_load_balancers(Names=[name]),
        "LoadBalancers",
        "the load balancer exists",
    )


def _target_group(client: Client, name: str) -> str:
    return _there(
        lambda: client("elbv2").describe_target_groups(Names=[name]),
        "TargetGroups",
        "the target group exists",
    )


def _role(client: Client, name: str) -> str:
    return _there(lambda: client("iam").get_role(RoleName=name), "Role", "the role exists")


def _log_group(client: Client, name: str) -> str:
    found = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return "the log group exists" if any(row["logGroupName"] == name for row in found) else ""


def _cluster(client: Client, name: str) -> str:
    found = client("ecs").describe_clusters(clusters=[name])["clusters"]
    return "the cluster exists" if any(row["status"] == "ACTIVE" for row in found) else ""


def _secret(client: Client, name: str) -> str:
    try:
        found = client("secretsmanager").describe_secret(SecretId=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return ""
        raise
    return "the secret waits for its deletion" if found.get("DeletedDate") else "the secret exists"


def _alias(client: Client, name: str) -> str:
    pages = client("kms").get_paginator("list_aliases").paginate()
    taken = any(row["AliasName"] == name for page in pages for row in page["Aliases"])
    return "the alias exists" if taken else ""


_LOOKUPS: Mapping[str, Callable[[Client, str], str]] = {
    "aws_s3_bucket": _bucket,
    "aws_ecr_repository": _repository,
    "aws_lb": _balancer,
    "aws_lb_target_group": _target_group,
    "aws_iam_role": _role,
    "aws_cloudwatch_log_group": _log_group,
    "aws_ecs_cluster": _cluster,
    "aws_secretsmanager_secret": _secret,
    "aws_kms_alias": _alias,
}
_NAME_KEYS: Mapping[str, str] = {"aws_s3_bucket": "bucket"}


def _mend(row: Planned, name: str) -> str:
    if row.type == "aws_s3_bucket":
        return "Choose another name (they are global; infra/ has name_suffix for it), or import it."
    if row.type == "aws_secretsmanager_secret":
        return (
            f"aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {name}"
        )
    return f"Choose another name, delete it, or: terraform import '{row.address}' ID"
