"""Placeholder values of the local target: the local Git server, local credentials."""

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from sandbox.environments import DELEGATE_KEY_ID, aws_variables, harness_variables
from sandbox.settings import Settings
from sandbox.sync import Webhook

GIT_OWNER, GIT_REPOSITORY = "workshop", "harness-workshop"


def local_placeholders(settings: Settings) -> Mapping[str, str]:
    """Return what fills `${NAME}` in connectors and secrets against the sandbox."""
    aws = aws_variables(settings)
    return {
        "GIT_URL": f"{settings.git_url}/{GIT_OWNER}/{GIT_REPOSITORY}.git",
        "GIT_USERNAME": "harness",
        "GIT_TOKEN": kept_secret(settings.home / "git-token"),
        "GIT_WEBHOOK_SECRET": kept_secret(settings.home / "webhook-secret"),
        "AWS_REGION": aws["AWS_REGION"],
        "CI_AWS_ACCESS_KEY_ID": DELEGATE_KEY_ID,
        "CI_AWS_SECRET_ACCESS_KEY": aws["AWS_SECRET_ACCESS_KEY"],
    }


def local_webhook(settings: Settings) -> Webhook:
    """Return the webhook that brings pushes of the local Git server to the fake Harness."""
    account = harness_variables(settings)["HARNESS_ACCOUNT_ID"]
    return Webhook(
        api=settings.git_url,
        owner=GIT_OWNER,
        repository=GIT_REPOSITORY,
        receiver=f"{settings.harness_url}/ng/api/webhook?accountIdentifier={account}",
        secret=kept_secret(settings.home / "webhook-secret"),
    )


def kept_secret(path: Path) -> str:
    """Return the secret in `path`, made on first use; only the user may read it.

    Two commands at once get the same one: it appears whole, and the first one stays.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(20))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()
