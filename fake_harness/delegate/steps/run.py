"""The CI `Run` step: the user's command in the stage's workspace.

Run twice after a crash: never, the process is attached to; the command itself may have any
effect. Without a container engine the command runs on the delegate's host, as Run steps
without `image` do on Harness Cloud; a step that names an image says so in its log.
"""

from collections.abc import Mapping

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.junit import read_reports
from fake_harness.delegate.results import Outcome, StepFailedError, StepResult
from fake_harness.delegate.shell import Script, run_script


def run(context: StepContext) -> StepResult:
    """Run the command; exit code 0 is success."""
    image = context.text("image", "")
    if image:
        context.log(
            f"No container engine: the command runs on the delegate's host, not in {image}.",
            level="WARN",
        )
    declared = _declared(context)
    secret = tuple(name for name, kind in declared.items() if kind == "Secret")
    script = Script(
        text=context.text("command"),
        shell=context.text("shell", "Sh"),
        environment={k: str(v) for k, v in context.mapping("envVariables").items()},
        folder=context.workspace,
        outputs={name: name for name in declared},
    )
    end = run_script(context, script)
    outputs = read_reports(context)
    if end.exit_code != 0:
        error = StepFailedError(f"Command exited with code {end.exit_code}", "APPLICATION_ERROR")
        error.outputs = outputs
        raise error
    return StepResult(
        status=Outcome.SUCCEEDED,
        outputs=outputs,
        output_variables=end.outputs,
        secret_outputs=secret,
    )


def _declared(context: StepContext) -> dict[str, str]:
    value = context.params.get("outputVariables")
    rows = value if isinstance(value, list) else []
    return {
        str(row["name"]): str(row.get("type") or "String")
        for row in rows
        if isinstance(row, Mapping) and "name" in row
    }
