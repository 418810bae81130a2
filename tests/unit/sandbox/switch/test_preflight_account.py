"""The preflight on who one is: identity, calls that IAM would deny, quotas."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws
from preflight_needs import client, needs, own_needs

from sandbox.switch.preflight import account, quotas
from sandbox.switch.preflight.actions import NEED_NOTHING, RESOURCE_ACTIONS, STEP_ACTIONS
from sandbox.switch.preflight.line import Verdict

CALLER = "arn:aws:iam::123456789012:user/ann"


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
