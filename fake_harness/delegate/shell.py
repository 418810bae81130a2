"""Runs a step's script in a shell and reads the variables that it leaves; masks its output.

Source: lite-engine (Run): outputs are collected after the user's own commands and count only
when the exit code is 0; what a script writes to HARNESS_OUTPUT_FILE is read as dotenv lines.
harness-core ScriptProcessExecutor (ShellScript): `/bin/bash script`, the collecting commands
appended to it, so an early `exit` loses the outputs.
"""

import os
import re
import selectors
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError

_INTERPRETERS = {"Bash": ["bash"], "Sh": ["sh"], "Python": ["python3"]}
_NOT_BUILT = frozenset({"Pwsh", "Powershell", "PowerShell"})
_POSIX = frozenset({"Bash", "Sh"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_VALUE = 64 * 1024
_CHUNK = 64 * 1024
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to run. `outputs` maps an output's name to the shell variable that holds it."""

    text: str
    shell: str
    environment: Mapping[str, str]
    folder: Path
    outputs: Mapping[str, str] = field(default_factory=dict)
    stops_at_failure: bool = False
    """Adds `set -e`, as lite-engine does for Run. ShellScript goes on after a failed command.
    Source: Shell Script step reference, "Stopping scripts after failures"."""
    longest_value: int = _LONGEST_VALUE
    """Characters that an output may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptEnd:
    """How it ended."""

    exit_code: int
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a script runs."""

    scratch: str
    """The step's own folder, as the script sees it."""
    kept: Path
    """The same folder, as the delegate sees it."""
    execute: Callable[[Sequence[str], str, Mapping[str, str]], int]
    """Runs a text under an interpreter's words with variables; returns the exit code."""


def run_script(context: StepContext, script: Script, place: Place | None = None) -> ScriptEnd:
    """Run a script, its output going to the step's log line by line.

    Args:
        context: of the step.
        script: what to run.
        place: by default the delegate's host.

    Raises:
        StepFailedError: the shell is unknown or not installed.
    """
    place = place or on_host(context, script)
    command = _command(script)
    dotenv, declared = place.kept / "output.env", place.kept / "declared"
    dotenv.touch()
    environment = {
        **context.step_env,
        **script.environment,
        "DRONE_OUTPUT": f"{place.scratch}/output.env",
        "HARNESS_OUTPUT_FILE": f"{place.scratch}/output.env",
        "HARNESS_SCRATCH_DIR": place.scratch,
    }
    text = script.text + _collector(script, f"{place.scratch}/declared")
    code = place.execute(command, text, environment)
    if code != 0:
        return ScriptEnd(exit_code=code, outputs={})
    outputs = read_outputs(dotenv) | read_declared(declared)
    for name, value in outputs.items():
        if len(value) > script.longest_value:
            limit = script.longest_value // 1024
            raise StepFailedError(f"Output variable [{name}] is longer than {limit} KiB.")
    return ScriptEnd(exit_code=code, outputs=outputs)


def on_host(context: StepContext, script: Script) -> Place:
    """Run it as a process of the delegate's host, with the delegate's own environment."""

    def execute(command: Sequence[str], text: str, environment: Mapping[str, str]) -> int:
        # A file without a name: the script may carry secrets.
        with tempfile.TemporaryFile(dir=context.task_dir) as file:
            file.write(text.encode())
            file.seek(0)  # also flushes
            number = file.fileno()
            words = [*command, f"/dev/fd/{number}"]
            whole = {**context.facts.environment, **environment}
            try:
                return stream(context, words, whole, script.folder, pass_fds=(number,))
            except FileNotFoundError as error:
                raise StepFailedError(
                    f"Shell [{script.shell}] needs {command[0]}, which the delegate's host lacks."
                ) from error

    return Place(scratch=str(context.task_dir), kept=context.task_dir, execute=execute)


def stream(
    context: StepContext,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run a command, log its output as it comes, and return its exit code.

    The command's end is the end, even if something that it left in the background still
    holds its output open.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=pass_fds,
    ) as process:
        assert process.stdout is not None  # noqa: S101  (PIPE was asked for)
        _copy_lines(context, process, process.stdout.fileno())
    return process.returncode


def read_outputs(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; a later line wins."""
    found: dict[str, str] = {}
    for line in path.read_text(errors="replace").splitlines():
        name, separator, value = line.partition("=")
        if separator and name.strip():
            found[name.strip()] = value
    return found


def read_declared(path: Path) -> dict[str, str]:
    """Read what the collector wrote: `NAME=value` entries, each ended by a NUL."""
    if not path.exists():
        return {}
    entries = path.read_bytes().decode(errors="replace").split("\0")[:-1]
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


def _command(script: Script) -> list[str]:
    if script.shell in _NOT_BUILT:
        raise StepFailedError(f"NotImplemented: scripts for [{script.shell}].")
    interpreter = _INTERPRETERS.get(script.shell)
    if interpreter is None:
        known = ", ".join(_INTERPRETERS)
        raise StepFailedError(f"Shell [{script.shell}] is unknown; known: {known}.")
    for variable in script.outputs.values():
        if not _VARIABLE.fullmatch(variable):
            raise StepFailedError(f"[{variable}] is no name of a shell variable.")
    flags = ["-e"] if script.stops_at_failure and script.shell in _POSIX else []
    return [*interpreter, *flags]


def _collector(script: Script, target: str) -> str:
    """Return the lines that keep the declared outputs, run after the user's own."""
    if not script.outputs:
        return ""
    if script.shell == "Python":
        rows = [
            f"_f.write({name + '='!r} + str(globals().get({variable!r}, "
            f"__import__('os').environ.get({variable!r}, ''))) + '\\0')"
            for name, variable in script.outputs.items()
        ]
        body = "\n    ".join(rows)
        return f"\nwith open({target!r}, 'a') as _f:\n    {body}\n"
    file = shlex.quote(target)
    rows = [
        f'if [ -n "${{{variable}+set}}" ]; then '
        f"printf '%s=%s\\0' {shlex.quote(name)} \"${{{variable}}}\" >> {file}; fi"
        for name, variable in script.outputs.items()
    ]
    return "\n" + "\n".join(rows) + "\n"


def _copy_lines(context: StepContext, process: subprocess.Popen[bytes], source: int) -> None:
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while True:
            has_ended = process.poll() is not None
            if not selector.select(0 if has_ended else _LOOK_S):
                if has_ended:
                    break
                continue
            chunk = os.read(source, _CHUNK)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                context.log(line.decode(errors="replace"))
    if rest:
        context.log(rest.decode(errors="replace"))
