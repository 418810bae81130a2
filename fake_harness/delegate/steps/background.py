"""The CI `Background` step: a process that runs until its stage ends.

It has succeeded once it runs, whatever becomes of it later; its lines go on to its own log.
The stage's containers reach it under the step's identifier; without an image it runs on the
delegate's host, as on Harness Cloud. The engine ends it, by cancelling its task.
Source: Background step reference; lite-engine (`detach`).
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.shell import Script, on_host, run_script


def background(context: StepContext) -> StepResult:
    """Start it, let the stage go on, and follow it to its end."""
    image, command = context.text("image", ""), context.text("command", "")
    if image and not context.facts.has_engine:
        step = context.package.get("stepIdentifier")
        raise StepFailedError(
            f"Background step [{step}] needs a container engine for image [{image}]: start one "
            "and set SANDBOX_ENGINE=docker. Without `image`, its command runs on the "
            "delegate's host.",
            "CONFIGURATION_FAILURE",
        )
    if not image and not command:
        raise StepFailedError("Background needs an image or a command.", "INVALID_REQUEST")
    if image and not command:
        code = _run_image(context)
    else:
        code = _run_command(context, command, in_image=bool(image))
    context.log(f"Ended with exit code {code}", level="INFO" if code == 0 else "ERROR")
    return StepResult()


def _run_image(context: StepContext) -> int:
    from fake_harness.delegate.containers.step import run_step

    variables = {name: str(v) for name, v in context.mapping("envVariables").items()}
    return run_step(
        context,
        context.strings("entrypoint"),
        context.strings("args"),
        {**context.step_env, **variables},
        started=context.detach,
    )


def _run_command(context: StepContext, command: str, *, in_image: bool) -> int:
    workspace = str(context.workspace)
    variables = {name: str(v) for name, v in context.mapping("envVariables").items()}
    script = Script(
        text=command,
        shell=context.text("shell", "Sh"),
        environment={"HARNESS_WORKSPACE": workspace, "DRONE_WORKSPACE": workspace, **variables},
        folder=context.workspace,
        stops_at_failure=True,
    )
    if in_image:
        from fake_harness.delegate.containers.step import in_container

        place = in_container(context, started=context.detach)
    else:
        place = on_host(context, script)
        context.detach()
    return run_script(context, script, place).exit_code
