"""Who called: a person, Terraform, the delegate or a task, told from keys and user agent.

    key of `sandbox env`            a person; Terraform where the user agent says so
    the delegate's own key          the delegate, and Terraform too where a step runs it
    a task's key and token          the task role, in a session named after the task
    a key or role of moto's IAM     that user, that role's session

Signatures are not checked here, so neither are these: they tell apart, they do not guard.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.aws.ports import Principal, PrincipalSource
from sandbox.aws.wire import RequestContext
from sandbox.environments import DELEGATE_KEY_ID
from sandbox.types import JsonObject

PERSON = "person"
TERRAFORM = "terraform"
DELEGATE = "delegate"
TASK_PREFIX = "task/"

_TOKEN_PREFIX = "sandbox."  # noqa: S105 - no secret: signatures are not checked
_TERRAFORM_AGENTS = ("HashiCorp Terraform", "terraform-provider-aws", "OpenTofu", "Terraform/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who made one call."""

    principal: Principal
    access_key_id: str
    labels: tuple[str, ...]
    """What `sandbox iam policy --for` knows the caller by: person, delegate, task/NAME, ..."""


class TaskCredentials:
    """Gives each task the credentials of its task role, as the ECS agent does on AWS.

    They are variables, not the agent's endpoint (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`):
    SDKs accept that one on a few link-local and loopback addresses only, which lead elsewhere
    in a process than in a container. They last as long as the task. A task without a task
    role gets none, as on AWS.
    """

    def environment(self, *, role_arn: str, task_arn: str, family: str) -> Mapping[str, str]:
        """Return what an SDK inside the task reads."""
        if not role_arn:
            return {}
        digest = hashlib.sha256(task_arn.encode()).digest()
        body = {"role": role_arn, "session": task_arn.rpartition("/")[2], "family": family}
        token = base64.urlsafe_b64encode(json.dumps(body, sort_keys=True).encode()).decode()
        return {
            "AWS_ACCESS_KEY_ID": "ASIA" + base64.b32encode(digest).decode()[:16],
            "AWS_SECRET_ACCESS_KEY": base64.b64encode(digest).decode()[:40],
            "AWS_SESSION_TOKEN": _TOKEN_PREFIX + token,
        }


class Callers:
    """Tells who made a request."""

    def __init__(self, source: PrincipalSource, account_id: str) -> None:
        self._source = source
        self._account_id = account_id

    def identify(self, context: RequestContext) -> Caller:
        """Return who made a request."""
        access_key_id = context.access_key_id
        task = _task_of(context.session_token)
        is_terraform = any(mark in context.user_agent for mark in _TERRAFORM_AGENTS)
        if task is not None:
            labels: tuple[str, ...] = (TASK_PREFIX + str(task["family"]),)
            principal = self._session(str(task["role"]), str(task["session"]))
        elif access_key_id == DELEGATE_KEY_ID:
            labels = (DELEGATE,)
            principal = self._user("delegate")
        else:
            # Without a key: an engine that pulls what ECS has told it to, or nobody known.
            labels = () if is_terraform or not access_key_id else (PERSON,)
            principal = self._source.principal(access_key_id) or self._user("sandbox")
        if is_terraform:
            labels += (TERRAFORM,)
        return Caller(principal=principal, access_key_id=access_key_id, labels=labels)

    def _session(self, role_arn: str, session: str) -> Principal:
        role_id = self._source.role_id(role_arn) or "AROA" + _letters(role_arn)
        name = role_arn.rpartition("/")[2]
        return Principal(
            type="AssumedRole",
            principal_id=f"{role_id}:{session}",
            arn=f"arn:aws:sts::{self._account_id}:assumed-role/{name}/{session}",
            name=session,
            role_arn=role_arn,
            role_id=role_id,
        )

    def _user(self, name: str) -> Principal:
        return Principal(
            type="IAMUser",
            principal_id="AIDA" + _letters(name),
            arn=f"arn:aws:iam::{self._account_id}:user/{name}",
            name=name,
        )


def is_task_token(session_token: str) -> bool:
    """Tell whether a session token is one that `TaskCredentials` gave."""
    return _task_of(session_token) is not None


def user_identity(caller: Caller, account_id: str) -> JsonObject:
    """Return the `userIdentity` of a CloudTrail record.

    Source: CloudTrail user guide, "CloudTrail userIdentity element".
    """
    principal = caller.principal
    found: JsonObject = {
        "type": principal.type,
        "principalId": principal.principal_id,
        "arn": principal.arn,
        "accountId": account_id,
        "accessKeyId": caller.access_key_id,
    }
    if principal.type == "IAMUser":
        return {**found, "userName": principal.name}
    issuer = {
        "type": "Role",
        "principalId": principal.role_id,
        "arn": principal.role_arn,
        "accountId": account_id,
        "userName": principal.role_arn.rpartition("/")[2],
    }
    return {**found, "sessionContext": {"sessionIssuer": issuer}}


def _task_of(token: str) -> JsonObject | None:
    if not token.startswith(_TOKEN_PREFIX):
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(token.removeprefix(_TOKEN_PREFIX)))
    except (binascii.Error, ValueError):
        return None
    is_ours = isinstance(body, dict) and {"role", "session", "family"} <= body.keys()
    return body if is_ours else None


def _letters(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:17]
