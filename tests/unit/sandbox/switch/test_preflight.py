"""Each check of the preflight: what it lets pass, what it blocks, and what mends it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.stub import Stubber
from harness_double import HarnessDouble
from moto import mock_aws
from requests.adapters import BaseAdapter

from sandbox.errors import UsageError
from sandbox.switch.preflight import account, existing, harness, images, names, quotas, refusals
from sandbox.switch.preflight.actions import NEED_NOTHING, RESOURCE_ACTIONS, STEP_ACTIONS
from sandbox.switch.preflight.line import Line, Verdict
from sandbox.switch.preflight.needs import Needs, Planned, read_needs, read_plan

PROJECT = Path(__file__).resolve().parents[4]
REGION = "us-east-1"
CALLER = "arn:aws:iam::123456789012:user/ann"


def needs(
    *planned: tuple[str, dict[str, Any]],
    texts: dict[str, str] | None = None,
    documents: dict[str, Any] | None = None,
    base_images: dict[str, tuple[str, ...]] | None = None,
) -> Needs:
    rows = tuple(
        Planned(type=kind, address=f"{kind}.this", values=values) for kind, values in planned
    )
    return Needs(
        terraform_texts=texts or {},
        planned=rows if planned else None,
        harness=documents or {},
        base_images=base_images or {},
    )


def own_needs(project: Path = PROJECT, **environment: str) -> Needs:
    """Return what the workshop itself needs, as its files say."""
    return read_needs(
        infra=project / "infra", harness=project / "harness", plan=None, environment=environment
    )


def client(service: str) -> Any:
    return boto3.client(
        service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )


def worst(lines: list[Line]) -> Verdict:
    order = [Verdict.OK, Verdict.WARNING, Verdict.BLOCKED]
    return max((line.verdict for line in lines), key=order.index)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def sts_of(arn: str) -> Any:
    sts = client("sts")
    stub = Stubber(sts)
    stub.add_response("get_caller_identity", {"Arn": arn, "Account": "123456789012"})
    stub.activate()
    return sts


def test_identity_names_account_region_and_caller() -> None:
    (line,) = account.check_identity(sts_of(CALLER))
    assert line.verdict is Verdict.OK
    assert line.detail == f"account 123456789012, us-east-1, {CALLER}"


def test_root_is_warned_about() -> None:
    (line,) = account.check_identity(sts_of("arn:aws:iam::123456789012:root"))
    assert line.verdict is Verdict.WARNING


def simulated(decisions: dict[str, str]) -> Any:
    iam = client("iam")
    rows = [{"EvalActionName": name, "EvalDecision": how} for name, how in decisions.items()]
    stub = Stubber(iam)
    stub.add_response("simulate_principal_policy", {"EvaluationResults": rows})
    stub.activate()
    return iam


STACK = needs(("aws_kms_alias", {}), ("aws_sns_topic_policy", {}))


def test_all_allowed_is_one_line() -> None:
    decisions = dict.fromkeys(account.needed_actions(STACK), "allowed")
    (line,) = account.check_denied(sts_of(CALLER), simulated(decisions), STACK)
    assert line.verdict is Verdict.OK


@pytest.mark.parametrize("how", ["implicitDeny", "explicitDeny"])
def test_denied_actions_are_named_with_what_calls_them(how: str) -> None:
    decisions = {**dict.fromkeys(account.needed_actions(STACK), "allowed"), "kms:CreateAlias": how}
    (line,) = account.check_denied(sts_of(CALLER), simulated(decisions), STACK)
    assert line.verdict is Verdict.BLOCKED
    assert "aws_kms_alias" in line.detail
    assert "kms:CreateAlias" in line.mend
    assert ("Deny statement" in line.mend) == (how == "explicitDeny")


@pytest.mark.parametrize("code", ["AccessDenied", "NotImplemented"])
def test_simulation_that_is_refused_is_not_known_rather_than_fine(code: str) -> None:
    iam = client("iam")
    stub = Stubber(iam)
    stub.add_client_error("simulate_principal_policy", code)
    stub.activate()
    (line,) = account.check_denied(sts_of(CALLER), iam, STACK)
    assert line.verdict is Verdict.WARNING
    assert "not known" in line.detail


def test_session_of_a_role_is_simulated_as_that_role() -> None:
    iam = client("iam")
    arn = "arn:aws:iam::123456789012:role/team/deployer"
    role = {"Path": "/team/", "RoleName": "deployer", "RoleId": "AROA0123456789012345"}
    stub = Stubber(iam)
    answer = {"Role": {**role, "Arn": arn, "CreateDate": "2026-01-01T00:00:00Z"}}
    stub.add_response("get_role", answer, {"RoleName": "deployer"})
    stub.activate()
    session = "arn:aws:sts::123456789012:assumed-role/deployer/ann"
    assert account.principal_arn(session, iam) == arn


def test_actions_of_our_own_stack_and_pipelines_are_all_known() -> None:
    ours = own_needs()
    assert ours.resource_types - NEED_NOTHING <= set(RESOURCE_ACTIONS)
    aws_steps = {name for name in ours.step_types if name.startswith("Ecs") or "S3" in name}
    assert aws_steps | {"BuildAndPushECR"} <= set(STEP_ACTIONS)
    actions = account.needed_actions(ours)
    assert {"ecs:CreateService", "iam:PassRole", "ecr:PutImage", "s3:PutObject"} <= set(actions)
    assert all(name.count(":") == 1 for name in actions)


def quota_client(allowed: dict[str, float]) -> Any:
    """AWS as moto has it, with quotas of our own."""
    made: dict[str, Any] = {}

    class Quotas:
        def get_service_quota(self, **named: str) -> dict[str, Any]:
            if named["QuotaCode"] in allowed:
                return {"Quota": {"Value": allowed[named["QuotaCode"]]}}
            raise self.error()

        get_aws_default_service_quota = get_service_quota

        def error(self) -> Exception:
            from botocore.exceptions import ClientError

            body: Any = {"Error": {"Code": "NoSuchResourceException", "Message": ""}}
            return ClientError(body, "GetServiceQuota")

    def of(service: str) -> Any:
        if service == "service-quotas":
            return Quotas()
        return made.setdefault(service, client(service))

    return of


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [({"L-F678F1CE": 2}, "ok"), ({"L-F678F1CE": 1}, "blocked"), ({}, "warning")],
)
def test_quota_counts_what_is_used_and_planned(allowed: dict[str, float], verdict: str) -> None:
    (line,) = quotas.check_quotas(quota_client(allowed), needs(("aws_vpc", {})))
    assert line.verdict == verdict
    assert line.detail.startswith("1 used, 1 more"), "the default VPC is one already"
    assert ("--desired-value 2" in line.mend) == (verdict == "blocked")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("quota", quotas.QUOTAS, ids=lambda quota: quota.what)
def test_every_quota_can_be_counted(quota: quotas.Quota) -> None:
    made = quota_client({quota.code: 10_000})
    (line,) = quotas.check_quotas(made, needs((quota.type, {})))
    assert line.verdict is Verdict.OK


@pytest.mark.parametrize(("allowed", "verdict"), [(6, "ok"), (1, "blocked")])
def test_fargate_needs_room_for_old_and_new_tasks(allowed: float, verdict: str) -> None:
    task = {"cpu": "1024", "memory": "2048", "requiresCompatibilities": ["FARGATE"]}
    stack = needs(documents={"manifests/task.yaml": task})
    (line,) = quotas.check_quotas(quota_client({"L-3032A538": allowed}), stack)
    assert line.verdict == verdict


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


@pytest.mark.parametrize(
    ("image", "place"),
    [
        ("python:3.11-slim", ("registry-1.docker.io", "library/python", "3.11-slim")),
        ("bitnami/redis", ("registry-1.docker.io", "bitnami/redis", "latest")),
        ("docker.io/library/node:18", ("registry-1.docker.io", "library/node", "18")),
        ("public.ecr.aws/nginx/nginx:1", ("public.ecr.aws", "nginx/nginx", "1")),
        ("localhost:5000/a/b@sha256:ff", ("localhost:5000", "a/b", "sha256:ff")),
    ],
)
def test_image_names_are_read_as_docker_reads_them(image: str, place: tuple[str, ...]) -> None:
    assert images.place_of(image) == place


class RegistryDouble(BaseAdapter):
    """A registry that wants a token, as Docker Hub does, and has one image."""

    has = "/v2/library/python/manifests/3.11-slim"

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        answer = requests.Response()
        answer.request = request
        answer.url = str(request.url)
        if request.path_url.startswith("/token"):
            answer.status_code = 200
            answer._content = b'{"token": "t"}'
        elif request.headers.get("Authorization") == "Bearer t":
            answer.status_code = 200 if request.path_url == self.has else 404
        else:
            answer.status_code = 401
            challenge = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'
            answer.headers["WWW-Authenticate"] = challenge
        return answer

    def close(self) -> None:
        pass


class Unplugged(RegistryDouble):
    """No network."""

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        raise requests.ConnectionError(request=request)


@pytest.mark.parametrize(
    ("image", "registry", "verdict"),
    [
        ("python:3.11-slim", RegistryDouble(), Verdict.OK),
        ("python:3.99-slim", RegistryDouble(), Verdict.BLOCKED),
        ("python:3.11-slim", Unplugged(), Verdict.WARNING),
        ("${BASE}", RegistryDouble(), Verdict.WARNING),
    ],
    ids=["there", "not there", "not reachable", "unknown name"],
)
def test_base_image_is_asked_from_its_registry(
    image: str, registry: BaseAdapter, verdict: Verdict
) -> None:
    session = requests.Session()
    session.mount("https://", registry)
    (line,) = images.check_images(session, needs(base_images={image: ("Dockerfile",)}))
    assert line.verdict is verdict


CONNECTOR = {"connector": {"identifier": "own", "spec": {"executeOnDelegate": True}}}
PIPELINE = {
    "pipeline": {
        "spec": {"connectorRef": "own", "delegateSelectors": ["prod"]},
        "other": {"connectorRef": "account.docker", "gitConnectorRef": "<+input>"},
    }
}


def test_only_connectors_that_nobody_brings_are_asked_for() -> None:
    stack = needs(documents={"connectors/own.yaml": CONNECTOR, "pipelines/p.yaml": PIPELINE})
    assert harness.foreign_connectors(stack) == {"account.docker"}
    assert harness.selectors(stack) == {"prod"}
    assert harness.needs_delegate(stack)


FOLDER = needs(documents={"connectors/own.yaml": CONNECTOR, "pipelines/p.yaml": PIPELINE})
DELEGATES = "/ng/api/delegate-setup/listDelegates"


def delegates(*tags: str, connected: bool = True) -> tuple[int, dict[str, object]]:
    row = {"name": "d", "tags": list(tags), "connected": connected}
    return 200, {"metaData": {}, "resource": [row]}


def test_harness_with_everything_there_is_fine() -> None:
    double = HarnessDouble(refuse={DELEGATES: delegates("prod")})
    assert worst(harness.check_harness(double.client(), FOLDER)) is Verdict.OK
    assert "GET /ng/api/connectors/docker" in double.made()
    assert {call.method for call in double.calls if call.path != DELEGATES} == {"GET"}


@pytest.mark.parametrize(
    ("path", "answer", "check"),
    [
        ("/ng/api/organizations", (401, {"message": "no"}), "Harness"),
        ("/ng/api/connectors/docker", (404, {"message": "no"}), "connector: account.docker"),
        (DELEGATES, (200, {"metaData": {}, "resource": []}), "delegate"),
        (DELEGATES, delegates("prod", connected=False), "delegate"),
        (DELEGATES, delegates("dev"), "delegate"),
    ],
    ids=["key", "connector", "no delegate", "disconnected", "other tag"],
)
def test_what_harness_lacks_blocks(
    path: str, answer: tuple[int, dict[str, object]], check: str
) -> None:
    double = HarnessDouble(refuse={DELEGATES: delegates("prod"), path: answer})
    lines = harness.check_harness(double.client(), FOLDER)
    blocked = [line for line in lines if line.verdict is Verdict.BLOCKED]
    assert [line.check for line in blocked] == [check]
    assert all(line.mend for line in blocked)


def test_plan_tells_what_would_be_created(tmp_path: Path) -> None:
    rows = [
        {"type": "aws_vpc", "address": "aws_vpc.a", "mode": "managed",
         "change": {"actions": ["create"], "after": {"cidr_block": "10.0.0.0/16"}}},
        {"type": "aws_vpc", "address": "aws_vpc.b", "mode": "managed",
         "change": {"actions": ["no-op"], "after": {}}},
    ]  # fmt: skip
    (tmp_path / "plan.json").write_text(json.dumps({"resource_changes": rows}))
    (row,) = read_plan(tmp_path / "plan.json")
    assert (row.address, row.values["cidr_block"]) == ("aws_vpc.a", "10.0.0.0/16")


def test_what_is_no_plan_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(UsageError) as refused:
        read_plan(tmp_path / "plan.json")
    assert "terraform show -json" in refused.value.hint


def test_project_without_anything_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither"):
        own_needs(project=tmp_path)


def test_base_images_are_those_of_the_pipelines_dockerfiles() -> None:
    ours = own_needs()
    assert "python:3.11-slim" in ours.base_images
    assert all(path.startswith("apps/") for row in ours.base_images.values() for path in row)
