"""Pipelines on a real database: expressions, packages, waits, approvals, child pipelines."""

from typing import Any

import pytest
from engine_harness import EngineUnderTest, custom, failed, pipeline, shell

from fake_harness.engine.reports import NO_DELEGATE
from fake_harness.store import delegate_tasks, interrupts, leases
from fake_harness.store.delegate_tasks import Offer, TaskStatus
from fake_harness.store.interrupts import InterruptType
from fake_harness.store.markers import marker

VARIABLES = [
    {"name": "who", "type": "String", "value": "world"},
    {"name": "greeting", "type": "String", "value": "hello <+pipeline.variables.who>"},
    {"name": "token", "type": "Secret", "value": "db_password"},
]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("<+pipeline.variables.greeting>", "hello world"),
        ("<+stage.variables.level>", "7"),
        ("<+stage.identifier>/<+step.identifier>", "b/second"),
        ("<+steps.first.output.outputVariables.X>", "from first"),
        ("<+execution.steps.first.output.outputVariables.X>", "from first"),
        (
            "<+pipeline.stages.a.spec.execution.steps.early.output.outputVariables.X>",
            "from early",
        ),
        ("<+pipeline.stages.a.status>", "SUCCEEDED"),
        ("<+execution.steps.first.status>", "SUCCEEDED"),
        ("<+pipeline.sequenceId>", "1"),
        ("<+pipeline.triggerType>/<+pipeline.triggeredBy.email>", "WEBHOOK/ada@example.org"),
        ("<+trigger.branch>", "main"),
        ("<+trigger.payload.deep.key>", "<+not.an.expression>"),
        ("<+codebase.commitSha>/<+codebase.shortCommitSha>", "0123456789abcdef/0123456"),
        ("<+account.identifier>.<+org.identifier>.<+project.name>", "acc.default.demo"),
        ("<+variable.region>/<+variable.account.owner>", "eu-west-1/acme"),
        ('<+secrets.getValue("account.key")>', marker("account.key")),
        ("<+pipeline.variables.token>", marker("db_password")),
        ('<+steps.first.output.outputVariables.X == "from first" ? "yes" : "no">', "yes"),
    ],
)
def test_expressions_mean_what_harness_says(
    engine: EngineUnderTest, expression: str, value: str
) -> None:
    engine.secret("db_password", "s3cret")
    engine.entity("secret", "key", org="", project="")
    engine.entity(
        "variable", "region", body={"type": "String", "spec": {"fixedValue": "eu-west-1"}}
    )
    owner = {"type": "String", "spec": {"fixedValue": "acme"}}
    engine.entity("variable", "owner", org="", project="", body=owner)
    for name in ("early", "first"):
        engine.answers[name] = {"outputVariables": {"X": f"from {name}"}}
    status = engine.run(
        pipeline(
            custom("a", shell("early")),
            custom(
                "b",
                shell("first"),
                shell("second", expression),
                variables=[{"name": "level", "type": "Number", "value": 7}],
            ),
            variables=VARIABLES,
        ),
        trigger_type="WEBHOOK",
        triggered_by={"identifier": "ada", "email": "ada@example.org"},
        trigger={"branch": "main", "payload": {"deep": {"key": "<+not.an.expression>"}}},
        codebase={"type": "Push", "commitSha": "0123456789abcdef"},
    )
    assert status == "SUCCEEDED", engine.execution().failure
    assert str(engine.script("second")) == value


def test_an_unknown_name_fails_the_step_and_says_which(engine: EngineUnderTest) -> None:
    assert engine.run(pipeline(custom("a", shell("s", "<+trigger.nope>")))) == "FAILED"
    assert "trigger.nope" in str(engine.execution().failure)


def test_a_missing_secret_fails_the_step_before_any_delegate_sees_it(
    engine: EngineUnderTest,
) -> None:
    script = 'echo <+secrets.getValue("nope")>'
    assert engine.run(pipeline(custom("a", shell("s", script)))) == "FAILED"
    assert engine.packages == {}
    message = str(engine.execution().failure)
    assert "[nope]" in message
    assert "not found" in message


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('<+pipeline.variables.who> == "world"', "SUCCEEDED"),
        ('<+pipeline.variables.who> == "moon"', "SKIPPED"),
        ("<+input>", "SKIPPED"),
        ("<+trigger.nope> == null", "SUCCEEDED"),
    ],
)
def test_a_condition_skips_a_step(engine: EngineUnderTest, condition: str, status: str) -> None:
    when = {"stageStatus": "Success", "condition": condition}
    engine.run(pipeline(custom("a", shell("s", when=when)), variables=VARIABLES))
    assert engine.node("s").status.value == status
    info: Any = engine.node("s").run_info
    assert info["evaluatedCondition"] is (status == "SUCCEEDED")
    assert info["whenCondition"] == f"<+OnStageSuccess> && ({condition})"


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


def approval(**more: Any) -> Any:
    spec = {
        "approvalMessage": "Ship <+pipeline.variables.who>?",
        "includePipelineExecutionHistory": True,
        "approvers": {
            "minimumCount": 1,
            "disallowPipelineExecutor": False,
            "userGroups": ["account._account_all_users"],
        },
        "approverInputs": [{"name": "reason", "defaultValue": "none"}],
        **more,
    }
    return {
        "step": {
            "identifier": "ok",
            "name": "ok",
            "type": "HarnessApproval",
            "timeout": "1d",
            "spec": spec,
        }
    }


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


HTTP = {
    "identifier": "h",
    "name": "h",
    "type": "Http",
    "timeout": "1m",
    "spec": {
        "url": "http://alb/<+pipeline.variables.who>",
        "method": "GET",
        "headers": [],
        "assertion": "<+httpResponseCode> == 200 && "
        '<+json.select("version", httpResponseBody)> == "<+pipeline.variables.who>"',
        "outputVariables": [
            {"name": "V", "type": "String", "value": '<+json.select("version", httpResponseBody)>'}
        ],
    },
}


@pytest.mark.parametrize(
    ("code", "version", "status"),
    [(200, "world", "SUCCEEDED"), (200, "moon", "FAILED"), (503, "world", "FAILED")],
)
def test_an_http_assertion_looks_at_the_answer_with_the_whole_language(
    engine: EngineUnderTest, code: int, version: str, status: str
) -> None:
    body = f'{{"version": "{version}"}}'
    engine.answers["h"] = {"outputs": {"httpResponseCode": code, "httpResponseBody": body}}
    assert engine.run(pipeline(custom("a", {"step": HTTP}), variables=VARIABLES)) == status
    assert engine.params("h")["url"] == "http://alb/world"
    assert "assertion" not in engine.params("h")
    outcome: Any = engine.node("h").outcomes["output"]
    assert outcome["httpResponseCode"] == code
    if status == "FAILED":
        assert "assertion failed" in str(engine.execution().failure)
    else:
        assert outcome["outputVariables"] == {"V": "world"}


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


def test_a_task_that_no_delegate_may_take_fails_after_a_while(engine: EngineUnderTest) -> None:
    text = pipeline(custom("a", shell("s", spec={"delegateSelectors": ["gpu"]})))
    assert engine.run(text) == "RUNNING"
    engine.now.turn(59)
    assert engine.finish(engine.execution_id) == "RUNNING"
    engine.now.turn(1)
    assert engine.finish(engine.execution_id) == "FAILED"
    failure: Any = engine.execution().failure
    assert failure["message"].startswith(NO_DELEGATE)
    assert failure["failureTypes"] == ["DELEGATE_PROVISIONING_FAILURE"]


def test_selectors_of_all_levels_must_match(engine: EngineUnderTest) -> None:
    text = pipeline(
        custom("a", shell("s", spec={"delegateSelectors": ["one"]}), delegateSelectors=["two"]),
        delegateSelectors=["three"],
    )
    engine.start(text)
    engine.loop.tick()
    with engine.write() as connection:
        assert delegate_tasks.offers(connection, engine.delegate, now=engine.now()) == ()
        able = engine.register(connection, "able", tags=("one", "two", "three"))
        assert len(delegate_tasks.offers(connection, able, now=engine.now())) == 1


def test_a_lost_delegate_fails_its_step_and_is_never_run_again_in_silence(
    engine: EngineUnderTest,
) -> None:
    engine.execution_id = engine.start(pipeline(custom("a", shell("s"))))
    engine.loop.tick()
    with engine.write() as connection:
        [offer] = delegate_tasks.offers(connection, engine.delegate, now=engine.now())
        delegate_tasks.acquire(connection, offer.task_id, engine.delegate, now=engine.now())
    engine.now.turn(89)
    engine.loop.tick()
    assert engine.execution().status.value == "RUNNING"
    engine.now.turn(1)
    engine.loop.tick()
    failure: Any = engine.execution().failure
    assert failure["failureTypes"] == ["DELEGATE_RESTART"]
    assert len([node for node in engine.nodes() if node.identifier == "s"]) == 1


def test_an_engine_that_was_away_gives_delegates_time_to_come_back(engine: EngineUnderTest) -> None:
    engine.execution_id = engine.start(pipeline(custom("a", shell("s"))))
    engine.loop.tick()
    with engine.write() as connection:
        [offer] = delegate_tasks.offers(connection, engine.delegate, now=engine.now())
        delegate_tasks.acquire(connection, offer.task_id, engine.delegate, now=engine.now())
    engine.now.turn(3600)
    engine.loop = engine.new_loop()
    engine.loop.tick()
    assert engine.execution().status.value == "RUNNING"


def test_a_second_engine_does_nothing_while_the_first_holds_the_lease(
    engine: EngineUnderTest,
) -> None:
    second = engine.new_loop(holding=False)
    assert engine.loop._hold_lease()
    assert not second._hold_lease()
    engine.now.turn(11)
    assert second._hold_lease()
    with engine.write() as connection:
        lease = leases.get_lease(connection, "engine")
        assert lease is not None
        assert lease.owner == second.owner


def test_an_engine_that_lost_its_lease_writes_nothing_more(engine: EngineUnderTest) -> None:
    second = engine.new_loop(holding=False)
    assert engine.loop._hold_lease()
    engine.now.turn(11)
    assert second._hold_lease()
    engine.execution_id = engine.start(pipeline(custom("a", shell("s"))))
    assert engine.loop._safe_tick() is False
    assert engine.execution().status.value == "QUEUED"
    second.tick()
    assert engine.execution().status.value == "RUNNING"


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


def test_a_delegate_gets_a_whole_package(engine: EngineUnderTest) -> None:
    engine.run(pipeline(custom("a", shell("s"))))
    [package] = engine.packages["s"]
    stage = engine.node("a")
    assert package["taskId"] == package["nodeExecutionId"] == engine.node("s").id
    assert package["stageExecutionId"] == package["workspaceId"] == stage.id
    assert package["stageFqn"] == "pipeline.stages.a"
    assert package["taskType"] == "ShellScript"
    assert package["timeoutSeconds"] == 600
    assert "secrets" not in package


@pytest.mark.parametrize("ends", ["SUCCEEDED", "FAILED"])
def test_what_a_background_step_started_goes_on_until_its_stage_ends(
    engine: EngineUnderTest, ends: str
) -> None:
    database = {
        **shell("db")["step"],
        "type": "Background",
        "spec": {"image": "db", "command": "x"},
    }
    engine.answers = {"db": {"detached": True}, "tests": {"status": ends}}
    text = pipeline(custom("a", {"step": database}, shell("tests")), custom("b", shell("later")))
    engine.execution_id = engine.start(text)
    engine.loop.tick()
    engine.answer_all()
    engine.loop.tick()
    assert (engine.node("db").status.value, engine.node("tests").status.value) == (
        "SUCCEEDED",
        "TASK_WAITING",
    )
    assert background_task(engine) is TaskStatus.ACQUIRED
    engine.answer_all()
    engine.loop.tick()
    assert engine.node("a").status.value == ends
    assert background_task(engine) is TaskStatus.CANCELLED
    with engine.write() as connection:
        offers = delegate_tasks.offers(connection, engine.delegate, now=engine.now())
    assert Offer(task_id=engine.node("db").id, abort=True) in offers


def background_task(engine: EngineUnderTest) -> TaskStatus:
    with engine.write() as connection:
        task = delegate_tasks.get_task(connection, engine.node("db").id)
    assert task is not None
    return task.status
