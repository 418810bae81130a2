"""Which target a person chose last, kept in the state directory; it switches nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import stack
from sandbox.environments import Switch, Target, switch
from sandbox.errors import not_writable
from sandbox.lifecycle import make_home
from sandbox.settings import Settings, named_fields
from sandbox.supervisor import write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A target; `profile` and `region` are of the AWS configuration, "" for whatever is set."""

    target: Target = Target.LOCAL
    profile: str = ""
    region: str = ""


def remembered(settings: Settings) -> Choice:
    """Return the choice of the last `sandbox use`; `local` where there was none."""
    try:
        kept = json.loads(_file(settings).read_text())
        return Choice(target=Target(kept["target"]), profile=kept["profile"], region=kept["region"])
    except (OSError, ValueError, KeyError, TypeError):
        return Choice()


def remember(settings: Settings, choice: Choice) -> None:
    """Keep a choice for the commands that follow.

    Raises:
        DependencyError: the state directory cannot be written.
    """
    make_home(settings.home)
    try:
        write_private(_file(settings), json.dumps(asdict(choice)))
    except OSError as error:
        raise not_writable(settings.home, error) from error


def meant(settings: Settings, named: str | None) -> Choice:
    """Return the choice for a command: the target that it names, else the remembered one."""
    kept = remembered(settings)
    if named is None or named == kept.target:
        return kept
    return Choice(target=Target(named))


def lets_localstack_in(settings: Settings) -> bool:
    """Tell whether `sandbox up` has to, because of `sandbox use localstack` alone."""
    chosen = remembered(settings).target is Target.LOCALSTACK
    return chosen and settings.aws == "local" and "aws" not in named_fields()


def switch_to(choice: Choice, settings: Settings, host_env: Mapping[str, str]) -> Switch:
    """Return what a process under `choice` gets, and what it must not inherit."""
    if choice.target is not Target.AWS:
        return stack.local_switch(settings, host_env)
    return switch(
        choice.target,
        settings,
        current=host_env,
        profile=choice.profile,
        region=choice.region,
    )


def _file(settings: Settings) -> Path:
    return settings.home / "target.json"
