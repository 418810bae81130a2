"""Which step types the engine takes part in; all others are a delegate's alone."""

from collections.abc import Mapping

from fake_harness.engine.packages import step_task
from fake_harness.engine.steps.approval import HARNESS_APPROVAL
from fake_harness.engine.steps.child_pipeline import CHILD_PIPELINE
from fake_harness.engine.steps.http import HTTP
from fake_harness.engine.steps.infrastructure import INFRASTRUCTURE
from fake_harness.engine.steps.port import EngineStep, Started, StepContext
from fake_harness.engine.steps.service import SERVICE
from fake_harness.engine.steps.wait import WAIT
from fake_harness.status import Status

ENGINE_STEPS: Mapping[str, EngineStep] = {
    "Wait": WAIT,
    "HarnessApproval": HARNESS_APPROVAL,
    "Service": SERVICE,
    "Infrastructure": INFRASTRUCTURE,
    "Pipeline": CHILD_PIPELINE,
    "Http": HTTP,
}
_DELEGATED = EngineStep()


def step_of(step_type: str) -> EngineStep:
    """Return what the engine does for a step type."""
    return ENGINE_STEPS.get(step_type, _DELEGATED)


def start(step: EngineStep, context: StepContext) -> Started:
    """Start a step: by itself, or by offering it to the delegates."""
    if step.start is not None:
        return step.start(context)
    return Started(
        status=Status.TASK_WAITING, tasks=(step_task(context, withheld=step.unrendered),)
    )
