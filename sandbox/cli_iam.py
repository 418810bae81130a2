"""`sandbox iam ...`: the permissions that the calls of a caller needed, as an IAM policy."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable

import click

from sandbox import iam_policy
from sandbox.aws.trail.grants import Grant
from sandbox.aws.trail.store import PERMISSIONS_PATH, Permission, read_permissions
from sandbox.cli_options import as_json
from sandbox.errors import SandboxError, UsageError
from sandbox.settings import Settings, load_settings

_TIMEOUT_S = 30


@click.group(short_help="Least-privilege policies from real calls.")
def iam() -> None:
    """Print the IAM permissions that the calls of a caller really needed."""


@iam.command(short_help="Print the least-privilege policy of a caller.")
@click.option(
    "--for",
    "caller",
    required=True,
    metavar="CALLER",
    help="delegate, terraform, person, or task/FAMILY (the family of its task definition).",
)
@click.option(
    "--account",
    metavar="ID",
    help="The account that the policy is for; its id replaces the sandbox's in every ARN.",
)
@click.option(
    "--exact", is_flag=True, help="Keep ids that AWS makes up; they differ in every account."
)
@click.option(
    "--split", is_flag=True, help="Print a list of policies, each small enough to be managed."
)
@as_json
def policy(caller: str, account: str | None, exact: bool, split: bool, json_: bool) -> None:
    """Print the policy that allows what CALLER has called so far, and nothing else.

    Every call to the local AWS counts, so run the whole road first: apply, deploy, roll back,
    destroy. A call that was denied is not granted; it is named on standard error.

    \b
    sandbox iam policy --for terraform --account 111122223333 > terraform-policy.json
    sandbox iam policy --for delegate
    sandbox iam policy --for task/backend
    """
    if account is not None and not (account.isdecimal() and len(account) == 12):
        raise UsageError(f"--account {account}: an AWS account id has 12 digits.")
    settings = load_settings()
    found = needed_permissions(settings)
    own = [one for one in found if one.caller == caller]
    if not own:
        raise _nothing(caller, found)
    allowed = [one for one in own if not one.denied]
    grants = [one.grant if exact else iam_policy.portable(one.grant) for one in allowed]
    if account:
        grants = [
            iam_policy.in_account(grant, account, instead_of=settings.account_id)
            for grant in grants
        ]
    statements = iam_policy.statements(grants)
    whole = iam_policy.document(statements)
    parts = [iam_policy.document(part) for part in iam_policy.split(statements)]
    if not json_:
        _explain(caller, allowed, whole, len(parts), split=split)
    _warn_denied(own)
    click.echo(json.dumps(parts if split else whole, indent=2))


def needed_permissions(settings: Settings) -> list[Permission]:
    """Return the permissions that every caller's calls needed, sandbox running or not."""
    url = f"{settings.aws_url}{PERMISSIONS_PATH}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - our own URL
            rows = json.load(answer)
    except (urllib.error.URLError, TimeoutError):
        return read_permissions(settings.aws_dir / "trail.sqlite")
    return [Permission(**{**row, "grant": Grant(**row["grant"])}) for row in rows]


def _nothing(caller: str, found: Iterable[Permission]) -> SandboxError:
    known = sorted({one.caller for one in found})
    hint = f"Calls were made by: {', '.join(known)}." if known else "Nobody has called yet."
    return SandboxError(f"No call of {caller} has passed this sandbox.", hint=hint)


def _explain(
    caller: str,
    allowed: Iterable[Permission],
    whole: dict[str, object],
    parts: int,
    *,
    split: bool,
) -> None:
    actions = {one.grant.action for one in allowed}
    calls = sum(one.calls for one in allowed)
    characters = iam_policy.size(whole)
    _say(f"# {caller}: {len(actions)} actions, from {calls} recorded uses; {characters} characters")
    if characters > iam_policy.LONGEST_POLICY and not split:
        _say(
            f"# warning: a managed policy has at most {iam_policy.LONGEST_POLICY} characters; "
            f"--split prints {parts} policies"
        )


def _warn_denied(own: Iterable[Permission]) -> None:
    for one in own:
        if one.denied:
            _say(f"# denied: {one.grant.action} on {one.grant.resource} ({one.denied})")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
