"""Golden plans: `tests/testdata/pipelines/<case>/{pipeline.yaml,plan.json}`."""

import json
from pathlib import Path

import pytest
import yaml

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.inputs import merge_inputs
from fake_harness.pipeline.plan import NodeKind, Plan

ROOT = Path(__file__).parents[3]
CASES = sorted((ROOT / "tests" / "testdata" / "pipelines").iterdir())


def _readable(plan: Plan) -> str:
    body = json.loads(plan.to_json())
    del body["source_yaml"]
    return json.dumps(_without_defaults(body), indent=1) + "\n"


def _without_defaults(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: _without_defaults(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], {}, "")}
    return [_without_defaults(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_pipeline_compiles_to_its_golden_plan(case: Path, *, update_golden: bool) -> None:
    plan = compile_pipeline((case / "pipeline.yaml").read_text())
    golden = case / "plan.json"
    if update_golden:
        golden.write_text(_readable(plan))
    assert _readable(plan) == golden.read_text()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_plan_survives_the_store_and_has_unique_stable_ids(case: Path) -> None:
    text = (case / "pipeline.yaml").read_text()
    plan = compile_pipeline(text)
    assert Plan.from_json(plan.to_json()) == plan
    ids = [node.id for node in plan.root.walk()]
    assert len(ids) == len(set(ids))
    assert ids == [node.id for node in compile_pipeline(text).root.walk()]


def test_ci_stage_clones_first_then_executes() -> None:
    plan = compile_pipeline((ROOT / "tests/testdata/pipelines/ci/pipeline.yaml").read_text())
    stage = plan.root.children[0]
    assert [child.kind for child in stage.children] == [NodeKind.STEP, NodeKind.EXECUTION]
    clone = stage.children[0]
    assert (clone.identifier, clone.name, clone.type) == ("clone", "Clone codebase", "GitClone")
    assert clone.params["build"] == {"type": "branch", "spec": {"branch": "main"}}


def test_service_dependencies_are_background_steps_before_all_others() -> None:
    document = yaml.safe_load((ROOT / "tests/testdata/pipelines/ci/pipeline.yaml").read_text())
    spec = {"image": "postgres:16", "args": ["-c", "fsync=off"]}
    service = {"identifier": "db", "name": "Database", "type": "Service", "spec": spec}
    document["pipeline"]["stages"][0]["stage"]["spec"]["serviceDependencies"] = [service]
    stage = compile_pipeline(yaml.safe_dump(document)).root.children[0]
    assert [child.identifier for child in stage.children] == ["db", "clone", "execution"]
    first = stage.children[0]
    assert (first.type, first.name, first.params) == ("Background", "Database", spec)
    assert first.fqn == f"{stage.fqn}.spec.serviceDependencies.db"


def test_looping_step_is_wrapped_and_keeps_its_own_fqn() -> None:
    plan = compile_pipeline((ROOT / "tests/testdata/pipelines/ci/pipeline.yaml").read_text())
    fqn = "pipeline.stages.publish.spec.execution.steps.push"
    wrapper = next(node for node in plan.root.walk() if node.id == f"{fqn}:strategy")
    assert wrapper.kind is NodeKind.STRATEGY
    assert wrapper.strategy is not None
    assert wrapper.strategy.max_concurrency == 1
    assert [child.id for child in wrapper.children] == [fqn]


def test_default_of_an_unfilled_input_is_taken() -> None:
    plan = compile_pipeline((ROOT / "tests/testdata/pipelines/ci/pipeline.yaml").read_text())
    assert plan.root.variables[0].value == "true"


def test_refusal_carries_every_problem_with_path_and_line() -> None:
    text = (ROOT / "tests/testdata/pipelines/rolling/pipeline.yaml").read_text()
    broken = text.replace("EcsRollingDeploy", "EcsRolingDeploy").replace(
        "timeout: 30s", "timeout: 5s"
    )
    with pytest.raises(YamlInvalidError) as caught:
        compile_pipeline(broken)
    problems = caught.value.problems
    assert len(problems) == 3
    assert all(problem.line and problem.yaml_path.startswith("pipeline.") for problem in problems)
    assert problems[0].hint == "Did you mean 'EcsRollingDeploy'?"
    assert problems[0].fqn == "pipeline.stages.dev.spec.execution.steps.deploy"


WORKSHOP = ROOT / "harness"


@pytest.mark.skipif(not WORKSHOP.is_dir(), reason="the checkout has no harness/ folder")
@pytest.mark.parametrize(
    ("pipeline", "inputs"),
    [
        (
            "ci",
            "pipeline: {properties: {ci: {codebase: {build: {type: branch, spec: {branch: main}}}}}}",
        ),
        ("cd", "pipeline: {variables: [{name: image_tag, value: abc1234}]}"),
    ],
)
def test_the_workshops_own_pipelines_compile(pipeline: str, inputs: str) -> None:
    text = (WORKSHOP / "pipelines" / f"{pipeline}.yaml").read_text()
    plan = compile_pipeline(merge_inputs(text, inputs))
    assert plan.root.children


@pytest.mark.skipif(not WORKSHOP.is_dir(), reason="the checkout has no harness/ folder")
@pytest.mark.parametrize(
    "path", sorted((WORKSHOP / "inputsets").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_workshops_input_sets_fit_their_pipeline(path: Path) -> None:
    pipeline = WORKSHOP / "pipelines" / f"{path.stem.split('_')[0]}.yaml"
    merge_inputs(pipeline.read_text(), path.read_text())
