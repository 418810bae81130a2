"""Bucket policies where moto misreads them: conditions, and who may deliver logs.

moto takes a condition that it cannot tell for a denial. Of conditions, only
`aws:SecureTransport` is known here; it is always true, since the loopback endpoint stands
for AWS's TLS endpoint. A statement with any other condition does not apply.
"""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import moto.iam.access_control
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.s3.models import FakeBucket
from moto.s3.utils import LOGGING_SERVICE_PRINCIPAL

_KNOWN: Mapping[str, str] = {"aws:securetransport": "true"}


class ConditionalStatement(IAMPolicyStatement):
    """A statement that is neutral when its condition does not hold.

    Source: IAM user guide, "Policy evaluation logic".
    """

    def is_action_permitted(
        self,
        action: str,
        resource: str = "*",
        principal: str | None = None,
        incoming_condition_values: dict[str, str] | None = None,
    ) -> PermissionResult:
        """Evaluate the statement for one action on one resource."""
        statement: dict[str, Any] = self._statement
        trust_policy = not statement.get("Resource")
        if "Condition" not in statement or trust_policy:
            return super().is_action_permitted(
                action, resource, principal, incoming_condition_values
            )
        if not condition_holds(statement["Condition"]):
            return PermissionResult.NEUTRAL
        rest = {key: value for key, value in statement.items() if key != "Condition"}
        return IAMPolicyStatement(rest).is_action_permitted(action, resource, principal)


def condition_holds(condition: Mapping[str, Mapping[str, object]]) -> bool:
    """Tell whether every operator of `condition` is known and true."""
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            known = _KNOWN.get(key.lower())
            values = wanted if isinstance(wanted, list) else [wanted]
            allowed = {str(value).lower() for value in values}
            if operator not in {"Bool", "BoolIfExists"} or known not in allowed:
                return False
    return True


def log_delivery_allowed(target_bucket: FakeBucket, target_prefix: str | None) -> bool:
    """Tell whether the bucket's policy lets S3 deliver access logs under the prefix.

    moto breaks on a principal that is a string. Source: S3 user guide, "Enabling Amazon
    S3 server access logging".
    """
    if not target_bucket.policy:
        return False
    policy = json.loads(target_bucket.policy.decode())
    arn = f"arn:{target_bucket.partition}:s3:::{target_bucket.name}/{target_prefix or ''}x"
    for statement in _listed(policy["Statement"]):
        principal = statement.get("Principal", {})
        services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else []
        if (
            statement.get("Effect") == "Allow"
            and LOGGING_SERVICE_PRINCIPAL in services
            and any(fnmatchcase("s3:PutObject", a) for a in _listed(statement.get("Action", [])))
            and any(fnmatchcase(arn, r) for r in _listed(statement.get("Resource", [])))
        ):
            return True
    return False


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def install() -> None:
    """Make moto evaluate policies in this way."""
    FakeBucket._log_permissions_enabled_policy = staticmethod(  # type: ignore[method-assign]  # noqa: SLF001 - S3 asks nowhere else
        log_delivery_allowed
    )
    moto.iam.access_control.IAMPolicyStatement = ConditionalStatement  # type: ignore[misc]
