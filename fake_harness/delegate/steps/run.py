"""The CI `Run` step: the user's command in the stage's workspace.

Run twice after a crash: never, the process is attached to; the command itself may have any
effect. A step that names an image runs in it. Without one, or without a container engine, the
command runs on the delegate's host, as Run steps without `image` do on Harness Cloud; where
that is for want of an engine, the log says so.
"""

from collections.abc import Mapping

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.junit import read_reports
from fake_harness.delegate.results import Outcome, StepFailedError, StepResult
from fake_harness.delegate.shell import Place, Script, run_script


def run(context: StepContext) -> StepResult:
    """Run the command; exit code 0 is success."""
    declared = _declared(context)
    secret = tuple(name for name, row in declared.items() if row.get("type") == "Secret")
    workspace = str(context.workspace)
    script = Script(
        text=context.text("command"),
        shell=context.text("shell", "Sh"),
        environment={
            # The engine says /harness, which a step without a container does not have.
            "HARNESS_WORKSPACE": workspace,
            "DRONE_WORKSPACE": workspace,
            **{name: str(value) for name, value in context.mapping("envVariables").items()},
        },
        folder=context.workspace,
        outputs={name: str(row.get("value") or name) for name, row in declared.items()},
        stops_at_failure=True,
    )
    end = run_script(context, script, _place(context))
    message = context.with_last_line(f"Command exited with code {end.exit_code}")
    outputs = read_reports(context)
    if end.exit_code != 0:
        error = StepFailedError(message, "APPLICATION_ERROR")
        error.outputs = outputs
        raise error
    return StepResult(
        status=Outcome.SUCCEEDED,
        outputs=outputs,
        output_variables=end.outputs,
        secret_outputs=secret,
    )


def _place(context: StepContext) -> Place | None:
    """Return the step's container, or None for the delegate's host."""
    image = context.text("image", "")
    if image and context.facts.has_engine:
        from fake_harness.delegate.containers.step import in_container

        return in_container(context)
    if image:
        context.log(
            f"No container engine: the command runs on the delegate's host, not in {image}.",
            level="WARN",
        )
    return None


def _declared(context: StepContext) -> dict[str, Mapping[str, object]]:
    value = context.params.get("outputVariables")
    rows = value if isinstance(value, list) else []
    return {str(row["name"]): row for row in rows if isinstance(row, Mapping) and "name" in row}
