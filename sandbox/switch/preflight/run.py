"""All checks of a preflight, in the order in which they are shown."""

from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.errors import SandboxError
from sandbox.harness_client import HarnessClient
from sandbox.switch.preflight import account, existing, harness, images, names, quotas, refusals
from sandbox.switch.preflight.line import Line, Verdict, blocked, warning
from sandbox.switch.preflight.needs import Needs

Check = tuple[str, Callable[[], list[Line]]]


class Clients:
    """AWS clients of this process's environment, each made once."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
        self._made: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """Return the region as the AWS tools find it; "" where none is set."""
        return str(self._session.get_config_variable("region") or "")

    def __call__(self, service: str) -> Any:
        """Return the client of a service."""
        if service not in self._made:
            self._made[service] = self._session.create_client(service, config=self._config)
        return self._made[service]


def aws_checks(client: Callable[[str], Any], needs: Needs) -> tuple[Check, ...]:
    """Return the checks that ask AWS."""
    return (
        ("permissions", lambda: account.check_denied(client("sts"), client("iam"), needs)),
        ("quotas", lambda: quotas.check_quotas(client, needs)),
        ("names", lambda: names.check_names(client, needs)),
        ("zones", lambda: refusals.check_zones(client("ec2"), needs)),
        ("certificates", lambda: existing.check_certificates(client, needs)),
        ("secrets", lambda: existing.check_secrets(client, needs)),
    )


def preflight(
    needs: Needs,
    clients: Clients,
    harness_client: HarnessClient | SandboxError,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> list[Line]:
    """Run every check; `say` gets the title of each before it runs."""
    say("who am I")
    lines = _identity(clients)
    known = all(line.verdict is not Verdict.BLOCKED for line in lines)
    checks = [(title, _tried(title, check)) for title, check in aws_checks(clients, needs)]
    others: list[Check] = [
        ("settings", lambda: refusals.check_settings(needs)),
        ("base images", lambda: images.check_images(requests.Session(), needs)),
        ("variables", lambda: existing.check_placeholders(needs, environment)),
        ("Harness", lambda: _harness(harness_client, needs)),
    ]
    if not known:
        titles = ", ".join(title for title, _ in checks)
        lines.append(warning("AWS", f"not looked at: {titles}", "First mend `who am I`."))
    for title, check in [*(checks if known else ()), *others]:
        say(title)
        lines += check()
    return lines


def _identity(clients: Clients) -> list[Line]:
    if not clients.region:
        mend = "sandbox use aws --region eu-west-1, or AWS_REGION, or a region in the profile."
        return [blocked("who am I", "no region is set", mend)]
    try:
        return account.check_identity(clients("sts"))
    except (ClientError, BotoCoreError) as error:
        mend = "Log in as for the aws cli; `sandbox use aws --profile NAME` remembers a profile."
        return [blocked("who am I", f"{error}", mend)]


def _tried(title: str, check: Callable[[], list[Line]]) -> Callable[[], list[Line]]:
    """Make a check that could not be made a line of its own: the others still tell something."""

    def tried() -> list[Line]:
        try:
            return check()
        except ClientError as error:
            mend = "Allow this call to the caller, or have an administrator run this."
            return [warning(title, f"not known: {error}", mend)]
        except BotoCoreError as error:
            return [warning(title, f"not known: {error}", "See `who am I`.")]

    return tried


def _harness(client: HarnessClient | SandboxError, needs: Needs) -> list[Line]:
    if not needs.harness:
        return []
    if isinstance(client, SandboxError):
        return [blocked("Harness", client.message, client.hint)]
    try:
        return harness.check_harness(client, needs)
    except SandboxError as error:
        return [warning("Harness", f"not known: {error.message}", error.hint)]
