"""What commands share that may change a real account: `--yes`, `--account`, the question."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from sandbox.settings import Settings
from sandbox.switch.guard import Account, confirm
from sandbox.switch.readers import may_change, named_profile

if TYPE_CHECKING:
    from sandbox.harness_client import HarnessClient

F = TypeVar("F", bound=Callable[..., object])

_META = "sandbox.cli_guard"


def guarded(command: F) -> F:
    """Give a command its `--yes` and `--account`; `confirm_*` find them in its context."""
    yes = click.option(
        "--yes",
        is_flag=True,
        expose_value=False,
        callback=_keep,
        help="Do not ask before a real account is changed (with --account).",
    )
    named = click.option(
        "--account",
        metavar="ID",
        expose_value=False,
        callback=_keep,
        help="The real account that may be changed; any other is not.",
    )
    return yes(named(command))


def confirm_command(command: Sequence[str]) -> None:
    """Ask before a command that may change the AWS account of this process's environment.

    Raises:
        RefusedError: nobody confirmed it.
        SandboxError: who one is there cannot be found out.
    """
    if may_change(command):
        from sandbox.switch.identity import aws_account

        _confirm(aws_account(named_profile(command)), " ".join(command))


def confirm_harness(client: "HarnessClient", settings: Settings, what: str) -> None:
    """Ask before a Harness account that is not the sandbox's is changed.

    Raises:
        RefusedError: nobody confirmed it.
    """
    from sandbox.harness_target import is_real
    from sandbox.switch.identity import harness_account

    if is_real(client, settings):
        _confirm(harness_account(client), what)


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    context.meta[f"{_META}.{parameter.name}"] = value


def _confirm(account: Account, what: str) -> None:
    meta = click.get_current_context().meta
    yes, named = meta[f"{_META}.yes"], meta[f"{_META}.account"]
    ask = _ask if sys.stdin.isatty() else None
    confirm(account, what, yes=yes, named=named, ask=ask)


def _ask(question: str) -> str:
    return str(click.prompt(question, err=True, default="", show_default=False))
