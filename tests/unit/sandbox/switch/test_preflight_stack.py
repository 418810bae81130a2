"""The preflight on AWS: names that are taken, settings that AWS refuses, what must exist beforehand."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws
from preflight_needs import client, needs, own_needs, worst

from sandbox.switch.preflight import existing, names, refusals
from sandbox.switch.preflight.line import Verdict


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


TAKEN = [
    ("aws_s3_bucket", {"bucket": "taken"}, "s3", "create_bucket", {"Bucket": "taken"}),
    (
        "aws_ecr_repository", {"name": "taken"}, "ecr", "create_repository",
        {"repositoryName": "taken"},
    ),
    (
        "aws_iam_role", {"name": "taken"}, "iam", "create_role",
        {"RoleName": "taken", "AssumeRolePolicyDocument": "{}"},
    ),
    (
        "aws_cloudwatch_log_group", {"name": "taken"}, "logs", "create_log_group",
        {"logGroupName": "taken"},
    ),
    ("aws_ecs_cluster", {"name": "taken"}, "ecs", "create_cluster", {"clusterName": "taken"}),
    (
        "aws_secretsmanager_secret", {"name": "taken"}, "secretsmanager", "create_secret",
        {"Name": "taken", "SecretString": "x"},
    ),
    (
        "aws_lb_target_group", {"name": "taken"}, "elbv2", "create_target_group",
        {"Name": "taken", "TargetType": "lambda"},
    ),
]  # fmt: skip


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("kind", "values", "service", "operation", "arguments"), TAKEN, ids=[row[0] for row in TAKEN]
)
def test_taken_name_blocks_and_free_one_does_not(
    kind: str, values: dict[str, Any], service: str, operation: str, arguments: dict[str, Any]
) -> None:
    stack = needs((kind, values))
    assert worst(names.check_names(client, stack)) is Verdict.OK
    getattr(client(service), operation)(**arguments)
    (line,) = names.check_names(client, stack)
    assert line.verdict is Verdict.BLOCKED
    assert "exists" in line.detail
    assert line.mend


@pytest.mark.usefixtures("aws")
def test_secret_that_waits_for_its_deletion_is_told_apart() -> None:
    secrets = client("secretsmanager")
    secrets.create_secret(Name="old", SecretString="x")
    secrets.delete_secret(SecretId="old", RecoveryWindowInDays=7)
    (line,) = names.check_names(client, needs(("aws_secretsmanager_secret", {"name": "old"})))
    assert "waits for its deletion" in line.detail
    assert "--force-delete-without-recovery --secret-id old" in line.mend


def test_bucket_of_another_account_is_taken() -> None:
    s3 = client("s3")
    stub = Stubber(s3)
    stub.add_client_error("head_bucket", "403", http_status_code=403)
    stub.activate()
    (line,) = names.check_names(lambda _: s3, needs(("aws_s3_bucket", {"bucket": "google"})))
    assert "another account" in line.detail


def test_names_without_a_plan_are_not_called_free() -> None:
    (line,) = names.check_names(client, needs())
    assert line.verdict is Verdict.WARNING
    assert "--plan" in line.mend


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("zone", "verdict"), [("us-east-1a", "ok"), ("us-east-1z", "blocked")])
def test_zone_must_be_one_of_the_region(zone: str, verdict: str) -> None:
    stack = needs(("aws_subnet", {"availability_zone": zone}))
    (line,) = refusals.check_zones(client("ec2"), stack)
    assert line.verdict == verdict


@pytest.mark.parametrize(
    ("memory", "verdict"), [("512", "ok"), ("256", "blocked"), ("4096", "blocked")]
)
def test_task_must_have_a_fargate_size(memory: str, verdict: str) -> None:
    task = {"cpu": "256", "memory": memory, "requiresCompatibilities": ["FARGATE"]}
    (line,) = refusals.check_settings(needs(documents={"manifests/task.yaml": task}))
    assert line.verdict == verdict
    if verdict == "blocked":
        assert line.mend == "With 256 CPU: 512, 1024, 2048."


@pytest.mark.parametrize(
    "text",
    [
        'provider "aws" {\n  endpoints {\n    s3 = "x"\n  }\n}',
        'provider "aws" {\n  s3_use_path_style = true\n}',
        'provider "aws" {\n  access_key = "x"\n}',
        'locals {\n  arn = "arn:aws:iam::000000000000:role/x"\n}',
        'resource "aws_acm_certificate" "x" {\n  domain_name = "dev.workshop.example"\n}',
    ],
    ids=["endpoints", "path style", "keys", "account", "domain"],
)
def test_what_is_meant_for_an_emulator_blocks(text: str) -> None:
    assert worst(refusals.check_settings(needs(texts={"main.tf": text}))) is Verdict.BLOCKED


def test_domain_of_the_workshop_is_a_variable_of_the_shell() -> None:
    """No file is edited on the way to a real account."""
    assert worst(refusals.check_settings(own_needs())) is Verdict.BLOCKED
    theirs = own_needs(TF_VAR_domain="shop.ann.dev")
    assert refusals.certificate_domains(theirs) == {"shop.ann.dev"}
    assert worst(refusals.check_settings(theirs)) is Verdict.OK


def test_subscription_endpoint_is_no_override() -> None:
    text = 'resource "aws_sns_topic_subscription" "x" {\n  endpoint = "ann@example.com"\n}'
    assert worst(refusals.check_settings(needs(texts={"main.tf": text}))) is Verdict.OK


CERTIFICATE = ("aws_acm_certificate", {"domain_name": "*.shop.ann.dev"})


@pytest.mark.usefixtures("aws")
def test_certificate_needs_a_public_zone_above_it() -> None:
    assert worst(existing.check_certificates(client, needs(CERTIFICATE))) is Verdict.BLOCKED
    with_zone = needs(CERTIFICATE, ("aws_route53_zone", {"name": "shop.ann.dev"}))
    assert worst(existing.check_certificates(client, with_zone)) is Verdict.WARNING
    client("route53").create_hosted_zone(Name="ann.dev", CallerReference="1")
    (line,) = existing.check_certificates(client, needs(CERTIFICATE))
    assert (line.verdict, line.detail) == (Verdict.OK, "validated by the zone ann.dev")


@pytest.mark.usefixtures("aws")
def test_named_certificate_must_exist() -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000"
    text = f'certificate_arn = "{arn}"'
    (line,) = existing.check_certificates(client, needs(texts={"main.tf": text}))
    assert line.verdict is Verdict.BLOCKED
    assert "does not exist" in line.detail


@pytest.mark.usefixtures("aws")
def test_secret_without_a_value_blocks() -> None:
    secrets = client("secretsmanager")
    secrets.create_secret(Name="full", SecretString="x")
    assert worst(existing.check_secrets(client, needs())) is Verdict.OK
    secrets.create_secret(Name="empty")
    (line,) = existing.check_secrets(client, needs())
    assert (line.check, line.verdict) == ("secret: empty", Verdict.BLOCKED)


def test_variables_of_sync_must_have_values() -> None:
    rows = [{"name": "GIT_TOKEN", "secret": True}, {"name": "AWS_REGION", "default": "us-east-1"}]
    stack = needs(documents={"sync.yaml": {"placeholders": rows}})
    (line,) = existing.check_placeholders(stack, {})
    assert (line.check, line.verdict) == ("variable: GIT_TOKEN", Verdict.BLOCKED)
    assert worst(existing.check_placeholders(stack, {"GIT_TOKEN": "t"})) is Verdict.OK
