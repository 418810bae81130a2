"""The Wait step: a time, kept as a column; it is divided by the time scale."""

from datetime import timedelta

from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.steps.port import EngineStep, Started, StepContext
from fake_harness.pipeline.durations import parse_duration
from fake_harness.status import Status


def _start(context: StepContext) -> Started:
    try:
        seconds = parse_duration(str(context.params.get("duration", "")))
    except ValueError as error:
        raise NodeFailedError(f"Wait: {error}") from error
    wake_at = context.now + timedelta(seconds=seconds / context.time_scale)
    return Started(status=Status.WAIT_STEP_RUNNING, changes={"wake_at": wake_at})


WAIT = EngineStep(start=_start)
