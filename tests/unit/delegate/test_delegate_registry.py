"""Every step type that the delegate announces can be loaded."""

import pytest

from fake_harness.delegate.results import StepFailedError
from fake_harness.delegate.steps.registry import STEP_MODULES, load_step


@pytest.mark.parametrize("step_type", sorted(STEP_MODULES))
def test_a_step_that_is_announced_exists(step_type: str) -> None:
    assert callable(load_step(step_type))


def test_an_unknown_step_is_refused_by_name() -> None:
    with pytest.raises(StepFailedError, match=r"\[EcsScale\]"):
        load_step("EcsScale")
