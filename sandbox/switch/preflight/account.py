"""Who one is, and which of the stack's calls IAM would deny.

The simulation looks at the caller's policies and permissions boundary, not at policies of
resources. Source: IAM API reference, `SimulatePrincipalPolicy`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.switch.preflight.actions import (
    NEED_NOTHING,
    RESOURCE_ACTIONS,
    STATE_ACTIONS,
    STEP_ACTIONS,
)
from sandbox.switch.preflight.line import Line, blocked, ok, warning
from sandbox.switch.preflight.needs import Needs

_BATCH = 100
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException"}
_NOT_THERE = {"NotImplemented", "UnknownOperationException", "InternalFailure"}


def check_identity(sts: Any) -> list[Line]:
    """Tell who calls, and where."""
    answer = sts.get_caller_identity()
    arn, region = str(answer["Arn"]), sts.meta.region_name
    detail = f"account {answer['Account']}, {region}, {arn}"
    if arn.endswith(":root"):
        mend = (
            "Use a role: root's keys cannot be limited, and IAM Identity Center gives short ones."
        )
        return [warning("who am I", detail, mend)]
    return [ok("who am I", detail)]


def needed_actions(needs: Needs) -> dict[str, tuple[str, ...]]:
    """Return each IAM action that the stack calls, with what calls it."""
    callers: dict[str, tuple[str, ...]] = {}
    sources: dict[str, Iterable[str]] = {
        kind: RESOURCE_ACTIONS[kind] for kind in needs.resource_types if kind in RESOURCE_ACTIONS
    }
    sources |= {kind: STEP_ACTIONS[kind] for kind in needs.step_types if kind in STEP_ACTIONS}
    if any('backend "s3"' in text for text in needs.terraform_texts.values()):
        sources["Terraform's state"] = STATE_ACTIONS
    for source, actions in sorted(sources.items()):
        for action in actions:
            callers[action] = (*callers.get(action, ()), source)
    return callers


def check_denied(sts: Any, iam: Any, needs: Needs) -> list[Line]:
    """Ask IAM which of the stack's actions this caller would be denied."""
    check = "permissions"
    arn = principal_arn(sts.get_caller_identity()["Arn"], iam)
    if arn.endswith(":root"):
        return [ok(check, "root is denied nothing by IAM")]
    callers = needed_actions(needs)
    try:
        decisions = _simulate(iam, arn, sorted(callers))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _NOT_ALLOWED:
            mend = (
                "Grant iam:SimulatePrincipalPolicy to yourself, or have an administrator run this."
            )
            return [warning(check, "not known: simulating is itself denied", mend)]
        if code in _NOT_THERE:
            mend = "Nothing to mend in an emulator; AWS itself simulates."
            return [warning(check, "not known: this endpoint cannot simulate policies", mend)]
        raise
    denied = {name: how for name, how in decisions.items() if how != "allowed"}
    lines = [*_denied_lines(check, denied, callers), *_unknown_types(check, needs)]
    return lines or [ok(check, f"all {len(callers)} actions are allowed to {arn}")]


def principal_arn(caller: str, iam: Any) -> str:
    """Return whose policies count: of an assumed role's session, the role itself."""
    if ":assumed-role/" not in caller:
        return caller
    account, name = caller.split(":")[4], caller.split("/")[1]
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except ClientError:
        # A role in a path has another ARN, but only IAM knows it.
        partition = caller.split(":")[1]
        return f"arn:{partition}:iam::{account}:role/{name}"


def _simulate(iam: Any, arn: str, actions: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(actions), _BATCH):
        names = actions[start : start + _BATCH]
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=arn, ActionNames=names
        )
        for page in pages:
            rows = page["EvaluationResults"]
            found |= {row["EvalActionName"]: row["EvalDecision"] for row in rows}
    return found


def _denied_lines(
    check: str, denied: Mapping[str, str], callers: Mapping[str, tuple[str, ...]]
) -> list[Line]:
    lines = []
    for service in sorted({name.partition(":")[0] for name in denied}):
        names = sorted(name for name in denied if name.startswith(f"{service}:"))
        who = sorted({source for name in names for source in callers[name]})
        explicit = any(denied[name] == "explicitDeny" for name in names)
        mend = f"Allow them in the caller's policy: {', '.join(names)}."
        if explicit:
            mend += " A Deny statement, a boundary or an organization's policy stands against it."
        lines.append(blocked(check, f"{service}: {len(names)} denied, of {', '.join(who)}", mend))
    return lines


def _unknown_types(check: str, needs: Needs) -> list[Line]:
    unknown = sorted(needs.resource_types - set(RESOURCE_ACTIONS) - NEED_NOTHING)
    if not unknown:
        return []
    mend = "Look their actions up in the Service Authorization Reference."
    return [warning(check, f"not checked, type not known here: {', '.join(unknown)}", mend)]
