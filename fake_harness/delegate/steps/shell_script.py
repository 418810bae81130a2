"""The `ShellScript` step, run on the delegate. Source: Shell Script step reference.

An output variable's `value` names the shell variable that holds it. A failed command does not
stop the script (no `set -e`); its last exit code counts. Not built: a remote
`executionTarget`, and scripts from the file store.
"""

from collections.abc import Mapping

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.shell import Script, run_script

_LONGEST_VALUE = 512 * 1024


def shell_script(context: StepContext) -> StepResult:
    """Run the script; exit code 0 is success."""
    source = context.mapping("source")
    spec = source.get("spec")
    if source.get("type") != "Inline" or not isinstance(spec, Mapping):
        raise StepFailedError("NotImplemented: ShellScript source must be of type [Inline].")
    if context.mapping("executionTarget").get("host"):
        raise StepFailedError("NotImplemented: ShellScript runs on the delegate only.")
    outputs = _variables(context, "outputVariables")
    folder = context.task_dir / "work"
    folder.mkdir(exist_ok=True)
    with context.unit("Execute"):
        end = run_script(
            context,
            Script(
                text=str(spec.get("script") or ""),
                shell=context.text("shell", "Bash"),
                environment={
                    name: str(row.get("value") or "")
                    for name, row in _variables(context, "environmentVariables").items()
                },
                folder=folder,
                outputs={name: str(row.get("value") or name) for name, row in outputs.items()},
                longest_value=_LONGEST_VALUE,
            ),
        )
        if end.exit_code != 0:
            message = f"Command execution failed with exit code {end.exit_code}"
            raise StepFailedError(context.with_last_line(message), "APPLICATION_ERROR")
    secret = tuple(name for name, row in outputs.items() if row.get("type") == "Secret")
    kept = {name: value for name, value in end.outputs.items() if name in outputs}
    return StepResult(output_variables=kept, secret_outputs=secret)


def _variables(context: StepContext, name: str) -> dict[str, Mapping[str, object]]:
    value = context.params.get(name)
    rows = value if isinstance(value, list) else []
    return {str(row["name"]): row for row in rows if isinstance(row, Mapping) and "name" in row}
