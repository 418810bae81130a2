"""A fresh database for each test, and the rows that most tests need."""

from datetime import UTC, datetime
from typing import Any

from fake_harness.pipeline.plan import NodeKind, Plan, PlanNode
from fake_harness.store.executions import NewExecution

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = {"account": "acc", "org": "default", "project": "demo"}


def plan() -> Any:
    root = PlanNode(
        id="pipeline", identifier="pipeline", name="P", fqn="pipeline", kind=NodeKind.PIPELINE
    )
    return Plan(
        pipeline_identifier="p",
        name="P",
        org_identifier="default",
        project_identifier="demo",
        root=root,
        source_yaml="pipeline: {}",
    )


def new_execution(pipeline: Any = "p", **more: Any) -> Any:
    return NewExecution(**SCOPE, pipeline=pipeline, plan=plan(), **more)
