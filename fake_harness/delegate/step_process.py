"""The process of one step: package on stdin, lines and result into the task's folder.

It must start fast: what it imports here, every step pays for.
"""

import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType

from fake_harness.delegate.context import StepContext, facts_from_wire, write_whole
from fake_harness.delegate.results import JsonObject, Outcome, StepFailedError, StepResult
from fake_harness.delegate.steps.registry import load_step


class AbortedError(Exception):
    """The delegate asked this process to end."""


def main() -> None:
    """Run the step that the handover on standard input describes."""
    folder = Path(sys.argv[1])
    try:
        handover = json.loads(sys.stdin.buffer.read())
    except ValueError:
        return  # the delegate died before it handed the package over: nothing was begun
    (folder / "started").touch()
    signal.signal(signal.SIGTERM, _abort)
    # A step's files are as on a build machine: an image made of them is run by other users.
    # Nobody else reaches them here, because the work directory is its owner's alone.
    os.umask(0o022)
    result = _run(handover, folder)
    write_whole(folder / "result.json", json.dumps(result.wire()))
    _end_group()


def _run(handover: JsonObject, folder: Path) -> StepResult:
    package = handover["package"]
    assert isinstance(package, dict)  # noqa: S101  (the delegate made it)
    context = StepContext(package, folder, facts_from_wire(handover["facts"]))
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


def _end_group() -> None:
    """End what the step left running, as the end of its container would; this process too."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
