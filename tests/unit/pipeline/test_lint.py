"""Every fault is found, named by its path, and labelled by who refuses it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.lint import KnownEntities, lint_pipeline
from fake_harness.pipeline.yaml_source import dump_yaml, load_yaml

ROOT = Path(__file__).parents[3]
OFFICIAL = ROOT.parent / "shared" / "data" / "harness-schema" / "pipeline.json"
BASE = """
pipeline:
  name: Base
  identifier: base
  orgIdentifier: default
  projectIdentifier: demo
  variables:
    - {name: env, type: String, value: dev}
  stages:
    - stage:
        name: Build
        identifier: build
        type: CI
        spec:
          cloneCodebase: false
          runtime: {type: Cloud, spec: {}}
          execution:
            steps:
              - step:
                  name: Test
                  identifier: test
                  type: Run
                  timeout: 10m
                  spec: {shell: Sh, command: echo <+pipeline.variables.env>, image: alpine, connectorRef: docker}
              - stepGroup:
                  name: Group
                  identifier: group
                  steps:
                    - step: {name: Inner, identifier: inner, type: Run, spec: {shell: Sh, command: echo <+steps.test.output.outputVariables.A>}}
    - stage:
        name: Deploy
        identifier: deploy
        type: Deployment
        spec:
          deploymentType: ECS
          service: {serviceRef: backend}
          environment:
            environmentRef: dev
            infrastructureDefinitions: [{identifier: ecs}]
          execution:
            steps:
              - step: {name: Roll, identifier: roll, type: EcsRollingDeploy, timeout: 10m, spec: {}}
              - step:
                  name: Ask
                  identifier: ask
                  type: HarnessApproval
                  timeout: 1d
                  spec:
                    approvalMessage: ok?
                    includePipelineExecutionHistory: true
                    approvers: {userGroups: [a], minimumCount: 1, disallowPipelineExecutor: false}
        failureStrategies:
          - onFailure: {errors: [AllErrors], action: {type: StageRollback}}
"""
Mutation = Callable[[dict], None]


def _stage(doc: dict, index: int = 0) -> dict:
    return doc["pipeline"]["stages"][index]["stage"]


def _steps(doc: dict, stage: int = 0) -> list:
    return _stage(doc, stage)["spec"]["execution"]["steps"]


def _step(doc: dict) -> dict:
    return _steps(doc)[0]["step"]


def _failure(*blocks: dict) -> Mutation:
    return lambda d: _stage(d, 1).update(failureStrategies=[{"onFailure": b} for b in blocks])


def _retry(**spec: object) -> dict:
    full = {
        "retryCount": 1,
        "retryIntervals": ["10s"],
        "onRetryFailure": {"action": {"type": "MarkAsFailure"}},
        **spec,
    }
    given = {key: value for key, value in full.items() if value is not None}
    return {"errors": ["Timeout"], "action": {"type": "Retry", "spec": given}}


def _intervene(**spec: object) -> dict:
    return {"errors": ["Timeout"], "action": {"type": "ManualIntervention", "spec": spec}}


def _command(text: str) -> Mutation:
    return lambda d: _step(d)["spec"].update(command=text)


def _drop(find: Callable[[dict], dict], key: str) -> Mutation:
    return lambda d: find(d).pop(key)


# name, mutation, words of the message, end of the path, who refuses
ROWS: list[tuple[str, Mutation, str, str, str]] = [
    (
        "unknown step type",
        lambda d: _step(d).update(type="Runn"),
        "unknown step type 'Runn'",
        "step.type",
        "schema",
    ),
    (
        "step type of Harness that is not run",
        lambda d: _step(d).update(type="Plugin"),
        "step type Plugin is not supported",
        "step.type",
        "semantic",
    ),
    (
        "step without identifier",
        _drop(_step, "identifier"),
        "needs `identifier`",
        "step.identifier",
        "schema",
    ),
    ("step without name", _drop(_step, "name"), "needs `name`", "step.name", "schema"),
    ("step without spec", _drop(_step, "spec"), "needs `spec`", "step.spec", "schema"),
    (
        "bad identifier",
        lambda d: _step(d).update(identifier="a-b c"),
        "not an identifier",
        "step.identifier",
        "schema",
    ),
    ("bad name", lambda d: _step(d).update(name="a/b"), "not a name", "step.name", "schema"),
    (
        "ECS step in CI",
        lambda d: _step(d).update(type="EcsRollingDeploy", spec={}),
        "not allowed in a CI stage",
        "step.type",
        "schema",
    ),
    (
        "approval step in CI",
        lambda d: _steps(d).append(_steps(d, 1)[1]),
        "not allowed in a CI stage",
        "step.type",
        "schema",
    ),
    (
        "cache step in a deployment",
        lambda d: _steps(d, 1).append(
            {
                "step": {
                    "name": "c",
                    "identifier": "c",
                    "type": "SaveCacheS3",
                    "spec": {"bucket": "b", "key": "k", "connectorRef": "c", "sourcePaths": ["a"]},
                }
            }
        ),
        "not allowed in a Deployment",
        "step.type",
        "schema",
    ),
    (
        "timeout in words",
        lambda d: _step(d).update(timeout="10 minutes"),
        "not a timeout",
        "step.timeout",
        "schema",
    ),
    (
        "timeout below ten seconds",
        lambda d: _step(d).update(timeout="5s"),
        "not a timeout",
        "step.timeout",
        "schema",
    ),
    (
        "unknown key in spec",
        lambda d: _step(d)["spec"].update(comand="x"),
        "unknown key `comand`",
        "spec.comand",
        "semantic",
    ),
    (
        "unknown key in step",
        lambda d: _step(d).update(timout="10m"),
        "unknown key `timout`",
        "step.timout",
        "semantic",
    ),
    (
        "unknown key in stage",
        lambda d: _stage(d).update(whenn={}),
        "unknown key `whenn`",
        "stage.whenn",
        "semantic",
    ),
    (
        "unknown key in pipeline",
        lambda d: d["pipeline"].update(stagess=[]),
        "unknown key `stagess`",
        "pipeline.stagess",
        "semantic",
    ),
    (
        "pipeline without identifier",
        _drop(lambda d: d["pipeline"], "identifier"),
        "needs `identifier`",
        "pipeline.identifier",
        "semantic",
    ),
    (
        "pipeline without stages",
        _drop(lambda d: d["pipeline"], "stages"),
        "needs a list of `stages`",
        "pipeline.stages",
        "semantic",
    ),
    (
        "Run without command",
        _drop(lambda d: _step(d)["spec"], "command"),
        "needs `command`",
        "spec.command",
        "semantic",
    ),
    (
        "shell that does not exist",
        lambda d: _step(d)["spec"].update(shell="Zsh"),
        "'Zsh' is not",
        "spec.shell",
        "schema",
    ),
    (
        "duplicate step identifiers",
        lambda d: _steps(d).append({"step": {**_step(d)}}),
        "used twice",
        "step.identifier",
        "semantic",
    ),
    (
        "duplicate stage identifiers",
        lambda d: _stage(d, 1).update(identifier="build"),
        "used twice",
        "stage.identifier",
        "semantic",
    ),
    (
        "unknown failure action",
        _failure({"errors": ["AllErrors"], "action": {"type": "Nope"}}),
        "'Nope' is not a failure action",
        "action.type",
        "semantic",
    ),
    (
        "unknown failure type",
        _failure({"errors": ["Nope"], "action": {"type": "Ignore"}}),
        "'Nope' is not a failure type",
        "errors[0]",
        "schema",
    ),
    (
        "deployment without failure strategies",
        _drop(lambda d: _stage(d, 1), "failureStrategies"),
        "needs `failureStrategies`",
        "stage.failureStrategies",
        "schema",
    ),
    (
        "one error, two actions",
        _failure(
            {"errors": ["Timeout"], "action": {"type": "Ignore"}},
            {"errors": ["Timeout"], "action": {"type": "Abort"}},
        ),
        "two different actions",
        "[1].onFailure.errors",
        "semantic",
    ),
    (
        "AllErrors with others",
        _failure({"errors": ["AllErrors", "Timeout"], "action": {"type": "Ignore"}}),
        "must stand alone",
        "[0].onFailure.errors",
        "semantic",
    ),
    (
        "AllErrors twice",
        _failure(*[{"errors": ["AllErrors"], "action": {"type": "Ignore"}}] * 2),
        "two failure strategies",
        "[1].onFailure.errors",
        "semantic",
    ),
    (
        "retry without count",
        _failure(_retry(retryCount=None)),
        "needs `retryCount`",
        "spec.retryCount",
        "semantic",
    ),
    (
        "retry without intervals",
        _failure(_retry(retryIntervals=None)),
        "needs `retryIntervals`",
        "spec.retryIntervals",
        "semantic",
    ),
    (
        "retry without an end",
        _failure(_retry(onRetryFailure=None)),
        "needs `onRetryFailure`",
        "spec.onRetryFailure",
        "semantic",
    ),
    (
        "retry count as expression",
        _failure(_retry(retryCount="<+x.y>")),
        "must be a whole number",
        "spec.retryCount",
        "semantic",
    ),
    (
        "retry after retry",
        _failure(_retry(onRetryFailure={"action": _retry()["action"]})),
        "Retry is not allowed inside Retry",
        "action.type",
        "semantic",
    ),
    (
        "intervention without timeout",
        _failure(_intervene(onTimeout={"action": {"type": "Abort"}})),
        "needs `timeout`",
        "spec.timeout",
        "schema",
    ),
    (
        "intervention followed by retry",
        _failure(_intervene(timeout="1h", onTimeout={"action": _retry()["action"]})),
        "Retry is not allowed inside ManualIntervention",
        "action.type",
        "semantic",
    ),
    (
        "group rollback outside a group",
        _failure({"errors": ["AllErrors"], "action": {"type": "StepGroupRollback"}}),
        "only possible inside a step group",
        "failureStrategies[0]",
        "semantic",
    ),
    (
        "when without status",
        lambda d: _step(d).update(when={"condition": "true"}),
        "needs `stageStatus`",
        "when.stageStatus",
        "schema",
    ),
    (
        "stage status in a stage's when",
        lambda d: _stage(d).update(when={"stageStatus": "Success", "pipelineStatus": "Success"}),
        "unknown key `stageStatus`",
        "when.stageStatus",
        "semantic",
    ),
    (
        "two loops",
        lambda d: _step(d).update(strategy={"parallelism": 2, "repeat": {"times": 2}}),
        "exactly one of",
        "step.strategy",
        "schema",
    ),
    (
        "repeat without end",
        lambda d: _step(d).update(strategy={"repeat": {"maxConcurrency": 1}}),
        "exactly one of `times` and `items`",
        "strategy.repeat",
        "schema",
    ),
    (
        "exclude of no axis",
        lambda d: _step(d).update(strategy={"matrix": {"a": ["1"], "exclude": [{"b": "1"}]}}),
        "'b' is not an axis",
        "exclude[0].b",
        "semantic",
    ),
    (
        "matrix without axis",
        lambda d: _step(d).update(strategy={"matrix": {"maxConcurrency": 1}}),
        "at least one axis",
        "strategy.matrix",
        "semantic",
    ),
    (
        "stage of an unknown type",
        lambda d: _stage(d).update(type="Ci"),
        "unknown stage type 'Ci'",
        "stage.type",
        "schema",
    ),
    (
        "stage type that is not run",
        lambda d: _stage(d).update(type="Security"),
        "stage type Security is not supported",
        "stage.type",
        "semantic",
    ),
    (
        "deployment type that is not run",
        lambda d: _stage(d, 1)["spec"].update(deploymentType="Kubernetes"),
        "deployment type Kubernetes is not supported",
        "spec.deploymentType",
        "semantic",
    ),
    (
        "deployment without environment",
        _drop(lambda d: _stage(d, 1)["spec"], "environment"),
        "one of `environment`",
        "spec.environment",
        "schema",
    ),
    (
        "deployment without infrastructure",
        _drop(lambda d: _stage(d, 1)["spec"]["environment"], "infrastructureDefinitions"),
        "needs `infrastructureDefinitions`",
        "environment.infrastructureDefinitions",
        "semantic",
    ),
    (
        "service of a later stage",
        lambda d: _stage(d, 1)["spec"].update(service={"useFromStage": {"stage": "later"}}),
        "no stage 'later' before",
        "service.useFromStage",
        "semantic",
    ),
    (
        "service dependency without an image",
        lambda d: _stage(d)["spec"].update(
            serviceDependencies=[{"identifier": "db", "type": "Service", "spec": {"args": ["x"]}}]
        ),
        "image",
        "spec.serviceDependencies[0].spec.image",
        "semantic",
    ),
    (
        "clone without codebase",
        lambda d: _stage(d)["spec"].update(cloneCodebase=True),
        "needs `properties.ci.codebase`",
        "spec.cloneCodebase",
        "semantic",
    ),
    (
        "expression that does not read",
        _command("echo <+pipeline.variables.env +>"),
        "ends too early",
        "spec.command",
        "semantic",
    ),
    (
        "expression naming no stage",
        _command("echo <+pipeline.stages.biuld.status>"),
        "the stage 'biuld', which is not there",
        "spec.command",
        "semantic",
    ),
    (
        "expression naming no step",
        _command("echo <+steps.tset.output.outputVariables.A>"),
        "'tset', which is not there",
        "spec.command",
        "semantic",
    ),
    (
        "expression naming no step of another stage",
        _command("echo <+pipeline.stages.deploy.spec.execution.steps.rol.status>"),
        "'rol', which is not there",
        "spec.command",
        "semantic",
    ),
    (
        "expression naming no variable",
        _command("echo <+pipeline.variables.envv>"),
        "'envv', which is not there",
        "spec.command",
        "semantic",
    ),
    (
        "expression at execution time",
        _command("<+input>.executionInput()"),
        "execution time are not supported",
        "spec.command",
        "semantic",
    ),
    (
        "input with an unknown validator",
        lambda d: _step(d)["spec"].update(image="<+input>.allowed(a)"),
        "only validators may follow",
        "spec.image",
        "semantic",
    ),
    (
        "variable defined twice",
        lambda d: d["pipeline"]["variables"].append(
            {"name": "env", "type": "String", "value": "x"}
        ),
        "defined twice",
        "variables[1].name",
        "semantic",
    ),
    (
        "variable without value",
        lambda d: d["pipeline"]["variables"].append({"name": "b", "type": "String"}),
        "needs `value`",
        "variables[1].value",
        "schema",
    ),
    (
        "null tag",
        lambda d: d["pipeline"].update(tags={"a": None}),
        "must be text",
        "tags.a",
        "schema",
    ),
    (
        "template that is not expanded",
        lambda d: _steps(d).append(
            {"step": {"name": "t", "identifier": "t", "template": {"templateRef": "tpl"}}}
        ),
        "template 'tpl' is not expanded",
        "step.template",
        "semantic",
    ),
]
IDS = [row[0] for row in ROWS]


def _mutated(mutation: Mutation) -> dict:
    doc = yaml.safe_load(BASE)
    mutation(doc)
    return doc


def _errors(doc: dict, known: KnownEntities | None = None) -> list[SchemaProblem]:
    problems = lint_pipeline(load_yaml(dump_yaml(doc)), known=known)
    return [problem for problem in problems if problem.severity == "ERROR"]


def test_the_base_pipeline_is_clean() -> None:
    assert lint_pipeline(load_yaml(BASE)) == []


@pytest.mark.parametrize(("name", "mutation", "words", "path", "source"), ROWS, ids=IDS)
def test_fault_is_found_at_its_path(
    name: str, mutation: Mutation, words: str, path: str, source: str
) -> None:
    found = [p for p in _errors(_mutated(mutation)) if words in p.message]
    assert found, [f"{p.yaml_path}: {p.message}" for p in _errors(_mutated(mutation))]
    assert found[0].yaml_path.endswith(path)
    assert found[0].source == source
    assert found[0].line


# Harness knows this stage type; the official schema refuses the CI spec that the row leaves.
LAX = {"stage type that is not run"}


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schema is not beside the checkout")
def test_label_schema_means_that_the_official_schema_refuses() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    official = jsonschema_rs.validator_for(json.loads(OFFICIAL.read_text()))
    assert official.is_valid(yaml.safe_load(BASE))
    wrong = []
    for name, mutation, *_ in ROWS:
        doc = _mutated(mutation)
        refused = not official.is_valid(doc)
        labelled = any(problem.source == "schema" for problem in _errors(doc))
        if refused != labelled and name not in LAX:
            wrong.append(f"{name}: official {'refuses' if refused else 'accepts'}")
    assert not wrong, "\n".join(wrong)


KNOWN = KnownEntities(
    services=frozenset({"backend"}),
    environments=frozenset({"dev"}),
    infrastructures={"dev": frozenset({"ecs"})},
    connectors=frozenset({"docker"}),
    secrets=frozenset({"token", "account.shared"}),
    pipelines=frozenset({"default/demo/child"}),
)
CHILD = {
    "stage": {
        "name": "Child",
        "identifier": "child",
        "type": "Pipeline",
        "spec": {"org": "default", "project": "demo", "pipeline": "chld"},
    }
}
REFERENCES: list[tuple[Mutation, str]] = [
    (lambda d: _stage(d, 1)["spec"]["service"].update(serviceRef="backnd"), "no service 'backnd'"),
    (
        lambda d: _stage(d, 1)["spec"]["environment"].update(environmentRef="prd"),
        "no environment 'prd'",
    ),
    (
        lambda d: _stage(d, 1)["spec"]["environment"].update(
            infrastructureDefinitions=[{"identifier": "k8s"}]
        ),
        "'k8s'",
    ),
    (lambda d: _step(d)["spec"].update(connectorRef="dockr"), "no connector 'dockr'"),
    (_command('echo <+secrets.getValue("tokn")>'), "no secret 'tokn'"),
    (lambda d: d["pipeline"]["stages"].append(CHILD), "no pipeline 'default/demo/chld'"),
]


def test_known_references_are_accepted() -> None:
    doc = _mutated(_command('echo <+secrets.getValue("account.shared")>'))
    assert _errors(doc, KNOWN) == []


@pytest.mark.parametrize(("mutation", "words"), REFERENCES, ids=[words for _, words in REFERENCES])
def test_reference_to_what_does_not_exist_is_found(mutation: Mutation, words: str) -> None:
    assert any(words in problem.message for problem in _errors(_mutated(mutation), KNOWN))


WARNINGS: list[tuple[Mutation, str]] = [
    (
        lambda d: (
            _stage(d)["spec"].pop("runtime"),
            _stage(d)["spec"].update(
                infrastructure={
                    "type": "KubernetesDirect",
                    "spec": {"connectorRef": "k", "namespace": "n"},
                }
            ),
        ),
        "KubernetesDirect is not there",
    ),
    (
        lambda d: _stage(d)["spec"].update(caching={"enabled": True}),
        "Cache Intelligence is left out",
    ),
    (
        lambda d: d["pipeline"].update(notificationRules=[{"name": "n"}]),
        "notifications are not sent",
    ),
    (lambda d: _step(d).update(enforce={"policySets": ["p"]}), "policy sets are not evaluated"),
    (_command("export KEY=AKIA" + "A" * 16), "looks like a secret in plain text"),
]


@pytest.mark.parametrize(("mutation", "words"), WARNINGS, ids=[words for _, words in WARNINGS])
def test_difference_to_harness_is_a_warning(mutation: Mutation, words: str) -> None:
    doc = _mutated(mutation)
    assert _errors(doc) == []
    problems = lint_pipeline(load_yaml(dump_yaml(doc)))
    assert [p.severity for p in problems if words in p.message] == ["WARNING"]


def test_looped_nodes_may_be_named_with_their_suffix() -> None:
    doc = _mutated(
        lambda d: _step(d).update(strategy={"matrix": {"a": ["x"], "nodeName": "<+matrix.a>"}})
    )
    _steps(doc)[1]["stepGroup"]["steps"][0]["step"]["spec"]["command"] = (
        "<+steps.test_0.status> <+steps.test_x.status> <+execution.steps.group.steps.inner.status>"
    )
    assert _errors(doc) == []


def test_document_without_pipeline_is_refused_as_a_whole() -> None:
    with pytest.raises(YamlInvalidError, match="expected a mapping under `pipeline:`"):
        lint_pipeline(load_yaml("service: {}"))
