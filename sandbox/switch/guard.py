"""Lets no command change a real account unless a person, or a script, named that account.

It decides and asks; who the account is, `sandbox.switch.identity` finds out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.errors import SandboxError

Ask = Callable[[str], str]


class RefusedError(SandboxError):
    """A change of a real account that nobody confirmed; exit 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account that a command would change."""

    vendor: str
    """AWS | Harness"""
    id: str
    detail: str
    """Who one is there, and where: shown beside the id."""

    def __str__(self) -> str:
        return f"{self.vendor} account {self.id} ({self.detail})"


def confirm(account: Account, what: str, *, yes: bool, named: str | None, ask: Ask | None) -> None:
    """Return when the change may go on.

    Args:
        account: which would be changed.
        what: the command, as a person knows it.
        yes: `--yes` was given.
        named: the value of `--account`.
        ask: puts a question to the person; None where nobody is there to answer.

    Raises:
        RefusedError: another account was named, nobody can be asked, or the answer was no.
    """
    if named is not None and named != account.id:
        raise RefusedError(
            f"--account names {named}, but `{what}` would change {account}. Nothing was done.",
            hint="Check `sandbox use`, the profile and the keys; `sandbox use local` comes back.",
        )
    if yes and named is not None:
        return
    if ask is None or yes:
        raise RefusedError(
            f"`{what}` would change {account}. Nothing was done.",
            hint=f"Where nobody is asked, both are needed: --yes --account {account.id}.",
        )
    answer = ask(f"`{what}` would change {account}.\nType the account id to go on")
    if answer.strip() != account.id:
        raise RefusedError(f"That is not {account.id}. Nothing was done.")
