"""Pipeline stages on a real database: inputs, outputs, templates, failures and aborts of the child."""

from typing import Any

import pytest
from engine_harness import VARIABLES, EngineUnderTest, approval, custom, failed, pipeline, shell

from fake_harness.store import interrupts
from fake_harness.store.interrupts import InterruptType

CHILD = {
    "identifier": "child",
    "name": "child",
    "orgIdentifier": "default",
    "projectIdentifier": "demo",
    "variables": [{"name": "tag", "type": "String", "value": "<+input>"}],
    "stages": [custom("c", shell("inner", "<+pipeline.variables.tag>"))],
}


def child_stage(**more: Any) -> Any:
    spec = {
        "org": "default",
        "project": "demo",
        "pipeline": "child",
        "inputs": {
            "identifier": "child",
            "variables": [{"name": "tag", "type": "String", "value": "<+steps.x>"}],
        },
        "outputs": [
            {
                "name": "image",
                "value": "<+pipeline.stages.c.spec.execution.steps.inner.output.outputVariables.I>",
            }
        ],
        **more,
    }
    spec["inputs"]["variables"][0]["value"] = (
        "<+pipeline.stages.a.spec.execution.steps.s.output.outputVariables.X>"
    )
    return {"stage": {"identifier": "deliver", "name": "deliver", "type": "Pipeline", "spec": spec}}


@pytest.mark.parametrize("child_ends", ["SUCCEEDED", "FAILED"])
def test_a_pipeline_stage_runs_another_pipeline_and_reads_its_outputs(
    engine: EngineUnderTest, child_ends: str
) -> None:
    engine.entity("pipeline", "child", pipeline(**CHILD))
    engine.answers["s"] = {"outputVariables": {"X": "v1"}}
    engine.answers["inner"] = (
        {"outputVariables": {"I": "image:v1"}} if child_ends == "SUCCEEDED" else failed()
    )
    last = custom("z", shell("last", "<+pipeline.stages.deliver.output.image>"))
    status = engine.run(pipeline(custom("a", shell("s")), child_stage(), last))
    assert status == child_ends, engine.execution().failure
    assert engine.script("inner") == "v1"
    if child_ends == "SUCCEEDED":
        assert engine.script("last") == "image:v1"
    else:
        assert engine.statuses()["z"] == "SKIPPED"
        assert "Pipeline [child]: boom" in str(engine.execution().failure)


TEMPLATE = """
template:
  identifier: say
  name: say
  versionLabel: v1
  type: Step
  spec:
    type: ShellScript
    spec:
      shell: Bash
      onDelegate: true
      source: {type: Inline, spec: {script: <+input>}}
"""


@pytest.mark.parametrize("version", ["v1", ""], ids=["named version", "stable version"])
def test_templates_of_the_child_are_expanded(engine: EngineUnderTest, version: str) -> None:
    body = {"stable": True}
    engine.entity("template", "say", TEMPLATE, project="", parent="v1", body=body)
    inputs = {"spec": {"source": {"type": "Inline", "spec": {"script": "from a template"}}}}
    reference: dict[str, object] = {
        "templateRef": "org.say",
        "templateInputs": {"type": "ShellScript", **inputs},
    }
    if version:
        reference["versionLabel"] = version
    inner = {"step": {"identifier": "inner", "name": "inner", "template": reference}}
    engine.entity("pipeline", "child", pipeline(**CHILD | {"stages": [custom("c", inner)]}))
    engine.answers["s"] = {"outputVariables": {"X": "v1"}}
    status = engine.run(pipeline(custom("a", shell("s")), child_stage(outputs=[])))
    assert status == "SUCCEEDED", engine.execution().failure
    assert engine.script("inner") == "from a template"


def test_template_that_the_child_lacks_fails_the_stage(engine: EngineUnderTest) -> None:
    inner = {"step": {"identifier": "i", "name": "i", "template": {"templateRef": "gone"}}}
    engine.entity("pipeline", "child", pipeline(**CHILD | {"stages": [custom("c", inner)]}))
    engine.answers["s"] = {"outputVariables": {"X": "v1"}}
    assert engine.run(pipeline(custom("a", shell("s")), child_stage())) == "FAILED"
    failure = str(engine.execution().failure)
    assert "Pipeline [child]" in failure
    assert "gone" in failure


def test_aborting_the_parent_aborts_its_child(engine: EngineUnderTest) -> None:
    engine.entity("pipeline", "child", pipeline(**{**CHILD, "stages": [custom("c", approval())]}))
    engine.answers["s"] = {"outputVariables": {"X": "v1"}}
    text = pipeline(custom("a", shell("s")), child_stage(), variables=VARIABLES)
    engine.entity(
        "pipeline",
        "child",
        pipeline(
            **{
                **CHILD,
                "variables": [*CHILD["variables"], *VARIABLES],
                "stages": [custom("c", approval())],
            }
        ),
    )
    assert engine.run(text) == "RUNNING"
    with engine.write() as connection:
        interrupts.add(connection, engine.execution_id, InterruptType.ABORT_ALL, now=engine.now())
    assert engine.finish(engine.execution_id) == "ABORTED"
    [child] = [
        node.step_details["childPipelineExecution"]["planExecutionId"]
        for node in engine.nodes()
        if node.type == "Pipeline" and node.step_details
    ]
    assert engine.execution(child).status.value == "ABORTED"


def test_a_missing_child_pipeline_is_named(engine: EngineUnderTest) -> None:
    engine.answers["s"] = {"outputVariables": {"X": "v1"}}
    assert engine.run(pipeline(custom("a", shell("s")), child_stage())) == "FAILED"
    assert "[child]" in str(engine.execution().failure)
