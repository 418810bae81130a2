"""Expressions and conditions of a pipeline, resolved by an engine on a real database."""

from typing import Any

import pytest
from engine_harness import VARIABLES, EngineUnderTest, custom, pipeline, shell

from fake_harness.store.markers import marker


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
