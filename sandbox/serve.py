"""Parts of the sandbox in the foreground, as containers and service managers run them.

One part becomes this very process. Several run under the supervisor, which then is this
process; their lines go to standard output. Nothing is awaited: whoever started it asks the
parts' health. Parts that use a container engine are waited for: what they leave on it is
beside this container, not inside, and does not end with it.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from sandbox import stack
from sandbox.aws.engines import remove_tasks, settle_engine, stop_tasks
from sandbox.errors import DependencyError, UsageError
from sandbox.foreground import Program, run_until_stopped
from sandbox.leftovers import end_steps
from sandbox.lifecycle import Sandbox, make_home
from sandbox.settings import Settings
from sandbox.supervisor import ProcessSpec, write_private

_USE_ENGINE = frozenset({"aws", "delegate"})
"""The parts that ask for containers; the others need no engine that answers them."""


def serve(settings: Settings, names: Sequence[str], host_env: Mapping[str, str]) -> NoReturn:
    """Become the named parts (all of them when none is named); never returns.

    Raises:
        UsageError: there is no such part; names those that exist.
        DependencyError: the state directory cannot be written, a port is taken, or the
            container engine that the settings want does not answer.
    """
    settings = with_own_delegate_name(settings, Path(tempfile.gettempdir()))
    make_home(settings.home)
    chosen = {spec.name for spec in chosen_parts(stack.process_specs(settings, host_env), names)}
    if chosen & _USE_ENGINE:
        settings = settle_engine(settings)
    specs = chosen_parts(stack.process_specs(settings, host_env), names)
    sandbox = Sandbox(settings)
    sandbox.prepare(specs)
    program = _program(sandbox, specs, host_env)
    sys.stdout.flush()
    if settings.engine == "docker" and chosen & _USE_ENGINE:
        code, was_stopped = run_until_stopped(program)
        if was_stopped:
            _clear_engine(settings, chosen)
        sys.exit(code)
    os.chdir(program.folder)
    os.execvpe(program.command[0], program.command, program.environment)  # noqa: S606  (our own)


def with_own_delegate_name(settings: Settings, place: Path) -> Settings:
    """Return the settings with a name in place of `auto`, the same one at each start.

    Delegates of one name stand in for one another, so those of a scaled service need names
    of their own. A container's temporary folder lives exactly as long as the container.
    """
    if settings.delegate_name != "auto":
        return settings
    kept = place / "sandbox-delegate-name"
    if not kept.exists():
        write_private(kept, f"delegate-{secrets.token_hex(4)}")
    return settings.model_copy(update={"delegate_name": kept.read_text()})


def chosen_parts(specs: tuple[ProcessSpec, ...], names: Sequence[str]) -> tuple[ProcessSpec, ...]:
    """Return the specs of `names` in the stack's order; all of them when none is named.

    Raises:
        UsageError: there is no such part; names those that exist.
    """
    known = [spec.name for spec in specs]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"There is no part named {unknown[0]!r}.", hint=f"The parts are: {', '.join(known)}."
        )
    return tuple(spec for spec in specs if not names or spec.name in names)


def _program(
    sandbox: Sandbox, specs: tuple[ProcessSpec, ...], host_env: Mapping[str, str]
) -> Program:
    if len(specs) > 1:
        command, folder = sandbox.supervisor.foreground(specs)
        return Program(command=command, folder=folder, environment=host_env)
    (spec,) = specs
    environment = {k: v for k, v in host_env.items() if k not in spec.unset} | dict(spec.env)
    folder = sandbox.settings.home
    return Program(command=list(spec.command), folder=folder, environment=environment)


def _clear_engine(settings: Settings, names: set[str]) -> None:
    """Remove this life's containers from the engine, as those inside go with their container."""
    if "delegate" in names:
        end_steps(settings.home / "delegate", settings.delegate_name)
    if "aws" not in names:
        return
    try:
        stop_tasks(settings)
        remove_tasks(settings)
    except DependencyError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
