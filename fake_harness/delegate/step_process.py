"""The process of one step: package on stdin, lines and result into the task's folder."""

import json
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType

from fake_harness.delegate.context import DelegateFacts, StepContext
from fake_harness.delegate.results import JsonObject, Outcome, StepFailedError, StepResult
from fake_harness.delegate.steps.registry import load_step
from fake_harness.settings import DelegateSettings, host_environment


class AbortedError(Exception):
    """The delegate asked this process to end."""


def main() -> None:
    """Run the step that the package on standard input describes."""
    folder = Path(sys.argv[1])
    text = sys.stdin.buffer.read()
    if not text:
        return  # the delegate died before it handed the package over: nothing was begun
    (folder / "started").touch()
    signal.signal(signal.SIGTERM, _abort)
    result = _run(json.loads(text), folder)
    temporary = folder / "result.tmp"
    temporary.write_text(json.dumps(result.wire()))
    temporary.replace(folder / "result.json")


def _run(package: JsonObject, folder: Path) -> StepResult:
    settings = DelegateSettings()
    facts = DelegateFacts(
        work_dir=settings.work_dir,
        image_builder=settings.image_builder,
        time_scale=settings.time_scale,
        environment=host_environment(),
    )
    context = StepContext(package, folder, facts)
    result = _end_of(context, str(package["taskType"]))
    # However it ended: what it changed until then must be undone by the rollback steps.
    return replace(result, rollback_data=context.rollback_data)


def _end_of(context: StepContext, task_type: str) -> StepResult:
    try:
        return load_step(task_type)(context)
    except StepFailedError as error:
        context.log(error.message, level="ERROR")
        return StepResult(
            status=Outcome.FAILED,
            message=context.mask(error.message),
            failure_types=tuple(error.failure_types),
            outputs=error.outputs,
        )
    except AbortedError:
        context.log("Aborted.", level="WARN")
        return StepResult(status=Outcome.ABORTED, message="The step was aborted.")
    except Exception as error:  # noqa: BLE001  (top of a process: every end needs a result)
        traceback.print_exc()
        message = context.mask(f"{type(error).__name__}: {error}")
        context.log(message, level="ERROR")
        return StepResult(status=Outcome.ERRORED, message=message)
    finally:
        context.close()


def _abort(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise AbortedError


if __name__ == "__main__":
    main()
