"""Runs a step's script in a shell and reads the variables that it leaves; masks its output.

Source: lite-engine: outputs are appended to HARNESS_OUTPUT_FILE after the user's command, and
read as a dotenv file only when the exit code is 0.
"""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError

_INTERPRETERS = {
    "Bash": ["bash", "-e"],
    "Sh": ["sh", "-e"],
    "Python": ["python3"],
    "Pwsh": ["pwsh"],
    "Powershell": ["pwsh"],
    "PowerShell": ["pwsh"],
}
_LONGEST_VALUE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to run. `outputs` maps an output's name to the shell variable that holds it."""

    text: str
    shell: str
    environment: Mapping[str, str]
    folder: Path
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptEnd:
    """How it ended."""

    exit_code: int
    outputs: Mapping[str, str]


def run_script(context: StepContext, script: Script) -> ScriptEnd:
    """Run a script, its output going to the step's log line by line.

    Raises:
        StepFailedError: the shell is unknown or not installed.
    """
    interpreter = _INTERPRETERS.get(script.shell)
    if interpreter is None:
        known = ", ".join(_INTERPRETERS)
        raise StepFailedError(f"Shell [{script.shell}] is unknown; known: {known}.")
    output_file = context.task_dir / "output.env"
    output_file.touch()
    path = context.task_dir / "script"
    path.write_text(script.text + _export(script, output_file))
    path.chmod(0o600)
    environment = {
        **context.facts.environment,
        **context.step_env,
        **script.environment,
        "DRONE_OUTPUT": str(output_file),
        "HARNESS_OUTPUT_FILE": str(output_file),
        "HARNESS_SCRATCH_DIR": str(context.task_dir),
    }
    try:
        code = stream(context, [*interpreter, str(path)], environment, script.folder)
    except FileNotFoundError as error:
        raise StepFailedError(
            f"Shell [{script.shell}] needs {interpreter[0]}, which the delegate's host lacks."
        ) from error
    outputs = read_outputs(output_file) if code == 0 else {}
    return ScriptEnd(exit_code=code, outputs=outputs)


def stream(
    context: StepContext, command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> int:
    """Run a command, log its output as it comes, and return its exit code."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            context.log(line)
    return process.returncode


def read_outputs(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; a later line wins.

    Raises:
        StepFailedError: a value is longer than 64 KiB.
    """
    found: dict[str, str] = {}
    for line in path.read_text(errors="replace").splitlines():
        name, separator, value = line.partition("=")
        if not separator or not name.strip():
            continue
        if len(value) > _LONGEST_VALUE:
            raise StepFailedError(f"Output variable [{name}] is longer than 64 KiB.")
        found[name.strip()] = value
    return found


def _export(script: Script, output_file: Path) -> str:
    """Return the lines that keep the declared outputs, run after the user's own."""
    if not script.outputs:
        return ""
    target = shlex.quote(str(output_file))
    if script.shell == "Python":
        rows = [
            f"_f.write({name + '='!r} + str(globals().get({variable!r}, "
            f"__import__('os').environ.get({variable!r}, ''))) + '\\n')"
            for name, variable in script.outputs.items()
        ]
        body = "\n    ".join(rows)
        return f"\nwith open({str(output_file)!r}, 'a') as _f:\n    {body}\n"
    rows = [
        f"printf '%s=%s\\n' {shlex.quote(name)} \"${{{variable}-}}\" >> {target}"
        for name, variable in script.outputs.items()
    ]
    return "\n" + "\n".join(rows) + "\n"
