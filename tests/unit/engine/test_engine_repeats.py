"""Loops, retried steps and retried executions on a real database."""

from engine_harness import EngineUnderTest, custom, failed, pipeline, shell


def test_a_matrix_step_sees_its_cell_and_later_steps_see_each_result(
    engine: EngineUnderTest,
) -> None:
    matrix = {"matrix": {"v": ["a", "b"], "exclude": [], "maxConcurrency": 1}}
    for name in ("m_0", "m_1"):
        engine.answers[name] = {"outputVariables": {"X": name}}
    later = "<+steps.m_0.output.outputVariables.X> <+steps.m_1.output.outputVariables.X>"
    script = "<+matrix.v> <+strategy.iteration>/<+strategy.iterations>"
    status = engine.run(
        pipeline(custom("a", shell("m", script, strategy=matrix), shell("l", later)))
    )
    assert status == "SUCCEEDED", engine.execution().failure
    assert [engine.script(f"m_{n}") for n in range(2)] == ["a 0/2", "b 1/2"]
    assert engine.script("l") == "m_0 m_1"


def test_log_keys_follow_the_fqn_and_the_retry(engine: EngineUnderTest) -> None:
    engine.answers["s"] = [failed(), {}]
    retry = {
        "type": "Retry",
        "spec": {
            "retryCount": 2,
            "retryIntervals": ["10s"],
            "onRetryFailure": {"action": {"type": "MarkAsFailure"}},
        },
    }
    strategies = [{"onFailure": {"errors": ["AllErrors"], "action": retry}}]
    engine.run(pipeline(custom("a", shell("s", failureStrategies=strategies))))
    engine.now.turn(10)
    assert engine.finish(engine.execution_id) == "SUCCEEDED"
    base = (
        "accountId:acc/orgId:default/projectId:demo/pipelineId:p/runSequence:1/level0:pipeline/"
        "level1:stages/level2:a/level3:spec/level4:execution/level5:steps/level6:s"
    )
    assert [package["logBaseKey"] for package in engine.packages["s"]] == [base, f"{base}_1"]
    assert [package["attempt"] for package in engine.packages["s"]] == [0, 1]


def test_a_retried_execution_keeps_the_stages_before_it(engine: EngineUnderTest) -> None:
    engine.answers["s1"] = {"outputVariables": {"X": "kept"}}
    engine.answers["s2"] = failed()
    read = "<+pipeline.stages.a.spec.execution.steps.s1.output.outputVariables.X>"
    text = pipeline(custom("a", shell("s1")), custom("b", shell("s2", read)))
    assert engine.run(text) == "FAILED"
    first = engine.execution_id
    engine.answers["s2"] = {}
    assert engine.run(text, retry_of=first, retry_stages=("b",)) == "SUCCEEDED"
    assert len(engine.packages["s1"]) == 1
    assert engine.script("s2") == "kept"
    assert engine.statuses()["s1"] == "SUCCEEDED"
