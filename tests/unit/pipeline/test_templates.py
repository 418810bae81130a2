"""Templates take the place of their references."""

import pytest

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.templates import TemplateRef, expand_templates, template_references
from fake_harness.pipeline.yaml_source import load_yaml

LIBRARY = {
    "Pipeline:whole": "template: {type: Pipeline, identifier: whole, spec: {stages: [{stage: {identifier: s, name: S, template: {templateRef: org.stage, versionLabel: '1'}}}]}}",
    "Stage:org.stage": "template: {type: Stage, identifier: stage, spec: {type: Custom, spec: {execution: {steps: [{step: {identifier: w, name: W, template: {templateRef: wait, templateInputs: {type: Wait, spec: {duration: 10s}}}}}]}}}}",
    "Step:wait": "template: {type: Step, identifier: wait, spec: {type: Wait, spec: {duration: <+input>}}}",
    "Step:loop": "template: {type: Step, identifier: loop, spec: {template: {templateRef: loop}}}",
}
PIPELINE = "pipeline: {identifier: p, name: P, template: {templateRef: whole, versionLabel: v2}}"


def lookup(reference: TemplateRef) -> str | None:
    return LIBRARY.get(f"{reference.type}:{reference.ref}")


def test_nested_templates_expand_and_compile() -> None:
    plan = compile_pipeline(expand_templates(PIPELINE, lookup))
    step = next(node for node in plan.root.walk() if node.type == "Wait")
    assert step.fqn == "pipeline.stages.s.spec.execution.steps.w"
    assert step.params == {"duration": "10s"}
    assert plan.pipeline_identifier == "p"


def test_pipeline_without_templates_stays_byte_for_byte() -> None:
    text = "pipeline: {identifier: p} # kept\n"
    assert expand_templates(text, lookup) == text


def _step(template: str) -> str:
    return f"pipeline: {{identifier: p, stages: [{{stage: {{spec: {{execution: {{steps: [{{step: {{identifier: a, name: A, template: {template}}}}}]}}}}}}}}]}}"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{templateRef: missing, versionLabel: '7'}", "no template 'missing' version '7'"),
        ("{versionLabel: '1'}", "needs `templateRef`"),
        ("{templateRef: wait, templateInputs: {spec: {nope: 1}}}", "no `nope` here"),
        ("{templateRef: wait, templateVariables: []}", "unknown key `templateVariables`"),
    ],
)
def test_wrong_reference_is_refused_with_its_path(template: str, words: str) -> None:
    with pytest.raises(YamlInvalidError) as caught:
        expand_templates(_step(template), lookup)
    problem = caught.value.problems[0]
    assert words in f"{problem.message} {problem.yaml_path}"
    assert ".steps[0].step.template" in problem.yaml_path


def test_template_of_another_type_is_refused() -> None:
    with pytest.raises(YamlInvalidError, match="is of type Stage, not Step"):
        expand_templates(_step("{templateRef: x}"), lambda _ref: LIBRARY["Stage:org.stage"])


def test_circle_of_templates_is_refused() -> None:
    with pytest.raises(YamlInvalidError, match="is it a circle"):
        expand_templates(_step("{templateRef: loop}"), lookup)


def test_references_are_listed() -> None:
    assert template_references(load_yaml(PIPELINE)) == [
        TemplateRef(ref="whole", version="v2", type="Pipeline")
    ]
