"""From permissions that calls needed to the IAM policy that grants no more; pure.

What AWS makes up (ids of VPCs, load balancers, keys, revisions) differs in every account, so
it becomes `*`; what people name stays. Source: IAM user guide, "IAM JSON policy reference".
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from sandbox.aws.trail.grants import Grant

VERSION = "2012-10-17"
LONGEST_POLICY = 6144
"""Characters of a managed policy, white space apart.

Source: IAM user guide, "IAM and AWS STS quotas".
"""

_MADE_UP = (
    # EC2: vpc-0fabf1714ff6df3cc, sg-..., eipalloc-...
    (re.compile(r"(?<=/)[a-z]+-[0-9a-f]{8,17}(?=$|/)"), "*"),
    # KMS keys, certificates, subscriptions
    (re.compile(r"(?<=[/:])[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=$|[/:])"), "*"),
    # task ids; ids of load balancers, target groups, listeners and rules
    (re.compile(r"(?<=/)[0-9a-f]{32}(?=$|/)"), "*"),
    (re.compile(r"(?<=/)[0-9a-f]{16}(?=$|/)"), "*"),
    (re.compile(r"(?<=:hostedzone/)\w+"), "*"),
    (re.compile(r"(?<=:change/)\w+"), "*"),
    (re.compile(r"(?<=:scalable-target/)\w+"), "*"),
    (re.compile(r"(:secret:.+)-(?:\w{6}|\*)$"), r"\1-??????"),
    (re.compile(r"(:task-definition/[^:]+):\d+$"), r"\1:*"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a policy."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    passed_to: str = ""

    def wire(self) -> dict[str, object]:
        """Return it as JSON says it."""
        found: dict[str, object] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.passed_to:
            found["Condition"] = {"StringEquals": {"iam:PassedToService": self.passed_to}}
        return found


def statements(grants: Iterable[Grant]) -> tuple[Statement, ...]:
    """Return the statements that allow `grants`, grouped by service and resources, sorted."""
    resources: dict[tuple[str, str], set[str]] = {}
    for grant in grants:
        resources.setdefault((grant.action, grant.passed_to), set()).add(grant.resource)
    actions: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (action, passed_to), named in resources.items():
        key = (action.partition(":")[0], passed_to, _fewest(named))
        actions.setdefault(key, []).append(action)
    found = []
    for (_, passed_to, arns), names in sorted(actions.items(), key=lambda row: row[0]):
        found.append(Statement(actions=tuple(sorted(names)), resources=arns, passed_to=passed_to))
    return tuple(found)


def document(chosen: Sequence[Statement]) -> dict[str, object]:
    """Return a policy document."""
    return {"Version": VERSION, "Statement": [one.wire() for one in chosen]}


def size(policy: Mapping[str, object]) -> int:
    """Return the characters of a policy that count."""
    return len(json.dumps(policy, separators=(",", ":")))


def split(chosen: Sequence[Statement]) -> tuple[tuple[Statement, ...], ...]:
    """Return the statements in as many policies as their size asks for, in order."""
    parts: list[list[Statement]] = [[]]
    for one in chosen:
        if parts[-1] and size(document([*parts[-1], one])) > LONGEST_POLICY:
            parts.append([])
        parts[-1].append(one)
    return tuple(tuple(part) for part in parts)


def portable(grant: Grant) -> Grant:
    """Return a permission without the ids that only this sandbox has."""
    resource = grant.resource
    for pattern, instead in _MADE_UP:
        resource = pattern.sub(instead, resource)
    return replace(grant, resource=resource)


def in_account(grant: Grant, account_id: str, *, instead_of: str) -> Grant:
    """Return a permission as it is granted in another account.

    Names that people made of the account's id (`state-000000000000`) change with it.
    """
    return replace(grant, resource=grant.resource.replace(instead_of, account_id))


def _fewest(arns: set[str]) -> tuple[str, ...]:
    """Return `arns` without those that another one covers."""
    patterns = {arn for arn in arns if "*" in arn or "?" in arn}
    return tuple(
        sorted(
            arn
            for arn in arns
            if not any(_covers(pattern, arn) for pattern in patterns if pattern != arn)
        )
    )


def _covers(pattern: str, arn: str) -> bool:
    # `[` has no meaning in IAM; and two patterns that cover each other are the same one.
    return fnmatchcase(arn, pattern.replace("[", "[[]"))
