"""A step's parameters as a container, and a script as what runs in it."""

from collections.abc import Callable, Mapping, Sequence

from fake_harness.delegate.containers.document import SCRATCH, WORKSPACE, StepContainer
from fake_harness.delegate.containers.run import run_container
from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError
from fake_harness.delegate.shell import Place


def _nothing() -> None:
    return


def in_container(context: StepContext, *, started: Callable[[], None] = _nothing) -> Place:
    """Run a script in the step's image, under the shell that the image must have.

    Source: lite-engine: the interpreter is the entry point, the script its argument.
    """

    def execute(command: Sequence[str], text: str, environment: Mapping[str, str]) -> int:
        words = ("python3", "-u", "-c") if command[0] == "python3" else (*command, "-c")
        return run_step(context, words, (text,), environment, started)

    folder = context.task_dir / "scratch"
    folder.mkdir(exist_ok=True)
    # The container's user may be any; the task's folder around it is the delegate's alone.
    folder.chmod(0o777)
    return Place(scratch=SCRATCH, kept=folder, execute=execute)


def run_step(
    context: StepContext,
    entry_point: Sequence[str],
    command: Sequence[str],
    environment: Mapping[str, str],
    started: Callable[[], None] = _nothing,
) -> int:
    """Run the step's container; return its exit code.

    Raises:
        StepFailedError: no container came to be, or it needed more memory than it has.
    """
    limits = context.mapping("resources").get("limits")
    limits = limits if isinstance(limits, Mapping) else {}
    scratch = context.task_dir / "scratch"
    scratch.mkdir(exist_ok=True)
    stage = str(context.package.get("workspaceId") or context.package["taskId"])
    bindings = context.mapping("portBindings")
    wanted = StepContainer(
        image=context.text("image"),
        task_id=str(context.package["taskId"]),
        stage_id=stage,
        identifier=str(context.package.get("stepIdentifier") or "step"),
        workspace=context.workspace.resolve(),
        scratch=scratch.resolve(),
        entry_point=entry_point,
        command=command,
        environment={
            **environment,
            "HARNESS_WORKSPACE": WORKSPACE,
            "DRONE_WORKSPACE": WORKSPACE,
        },
        user=context.text("runAsUser", ""),
        privileged=context.flag("privileged"),
        memory=str(limits.get("memory") or ""),
        cpu=str(limits.get("cpu") or ""),
        port_bindings={str(outer): str(inner) for outer, inner in bindings.items()},
    )
    context.log(f"Running in a container of {wanted.image}")
    end = run_container(context, wanted, started=started)
    if end.is_out_of_memory:
        limit = f" (limit {wanted.memory})" if wanted.memory else ""
        raise StepFailedError(
            f"The container ran out of memory{limit}: exit code {end.exit_code}",
            "APPLICATION_ERROR",
        )
    return end.exit_code
