"""Approvals and Wait steps on a real database: given, refused, over their time."""

from engine_harness import VARIABLES, EngineUnderTest, approval, custom, pipeline, shell


def test_wait_divides_by_the_time_scale(engine: EngineUnderTest) -> None:
    engine.loop.time_scale = 10
    wait = {
        "step": {
            "identifier": "w",
            "name": "w",
            "type": "Wait",
            "timeout": "1h",
            "spec": {"duration": "5m"},
        }
    }
    assert engine.run(pipeline(custom("a", wait))) == "WAIT_STEP_RUNNING"
    engine.now.turn(29)
    assert engine.finish(engine.execution_id) == "WAIT_STEP_RUNNING"
    engine.now.turn(1)
    assert engine.finish(engine.execution_id) == "SUCCEEDED"


def test_an_approval_waits_and_its_inputs_are_seen_by_later_steps(engine: EngineUnderTest) -> None:
    script = "<+steps.ok.output.approverInputs.reason> <+steps.ok.output.approvalActivities[0].user.name>"
    text = pipeline(custom("a", approval(), shell("s", script)), variables=VARIABLES)
    assert engine.run(text) == "APPROVAL_WAITING"
    assert engine.node("ok").step_details == {"approvalInstanceId": engine.node("ok").id}
    engine.act("APPROVE", reason="it is time")
    assert engine.finish(engine.execution_id) == "SUCCEEDED"
    assert engine.script("s") == "it is time Ada"


def test_a_rejection_ends_the_pipeline_as_rejected(engine: EngineUnderTest) -> None:
    engine.run(pipeline(custom("a", approval(), shell("s")), variables=VARIABLES))
    engine.act("REJECT")
    assert engine.finish(engine.execution_id) == "APPROVAL_REJECTED"
    assert engine.statuses()["s"] == "SKIPPED"


def test_an_approval_that_nobody_gives_expires(engine: EngineUnderTest) -> None:
    engine.run(pipeline(custom("a", approval()), variables=VARIABLES))
    engine.now.turn(86_400)
    assert engine.finish(engine.execution_id) == "EXPIRED"
