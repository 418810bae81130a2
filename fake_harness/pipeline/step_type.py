"""What one step type is, and the stage types that the sandbox runs; data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fake_harness.pipeline.fields import Field

CI = "CI"
DEPLOYMENT = "Deployment"
APPROVAL = "Approval"
CUSTOM = "Custom"
PIPELINE = "Pipeline"
SUPPORTED_STAGES = (CI, DEPLOYMENT, APPROVAL, CUSTOM, PIPELINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepType:
    """A step type that the sandbox really runs."""

    type: str
    summary: str
    stages: frozenset[str]
    runs_on: Literal["engine", "delegate"]
    fields: Mapping[str, Field]
    needs_spec: bool = True
