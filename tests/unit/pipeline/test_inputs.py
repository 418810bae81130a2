"""Runtime inputs: template, merge, validators."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.compile import compile_pipeline
from fake_harness.pipeline.input_values import parse_input
from fake_harness.pipeline.inputs import fill_defaults, input_template, merge_inputs, merge_tree
from fake_harness.pipeline.yaml_source import dump_yaml, load_yaml

PIPELINE = """
pipeline:
  name: P
  identifier: p
  properties: {ci: {codebase: {connectorRef: git, build: <+input>}}}
  variables:
    - {name: env, type: String, value: '<+input>.allowedValues(dev,prod)'}
    - {name: fixed, type: String, value: x}
    - {name: tag, type: String, value: '<+input>.regex(^v[0-9]+(\\.[0-9]+)?$)'}
  stages:
    - parallel:
        - stage:
            name: A
            identifier: a
            type: Custom
            spec:
              execution:
                steps:
                  - step:
                      name: S
                      identifier: s
                      type: Wait
                      spec: {duration: '<+input>.default(10s)'}
                  - stepGroup:
                      name: G
                      identifier: g
                      steps:
                        - step: {name: T, identifier: t, type: ShellScript, spec: {shell: Bash, source: {type: Inline, spec: {script: '<+input>'}}}}
        - stage: {name: B, identifier: b, type: Custom, spec: {execution: {steps: []}}}
    - stage:
        name: C
        identifier: c
        type: CI
        delegateSelectors: ['<+input>', fixed]
        spec: {execution: {steps: []}}
"""

TEMPLATE = """\
pipeline:
  identifier: p
  properties:
    ci:
      codebase:
        build: <+input>
  variables:
  - name: env
    type: String
    value: <+input>.allowedValues(dev,prod)
  - name: tag
    type: String
    value: <+input>.regex(^v[0-9]+(\\.[0-9]+)?$)
  stages:
  - parallel:
    - stage:
        identifier: a
        type: Custom
        spec:
          execution:
            steps:
            - step:
                identifier: s
                type: Wait
                spec:
                  duration: <+input>.default(10s)
            - stepGroup:
                identifier: g
                steps:
                - step:
                    identifier: t
                    type: ShellScript
                    spec:
                      source:
                        type: Inline
                        spec:
                          script: <+input>
  - stage:
      identifier: c
      type: CI
      delegateSelectors:
      - <+input>
      - fixed
"""


def test_template_is_the_tree_of_open_inputs() -> None:
    assert input_template(load_yaml(PIPELINE)) == TEMPLATE


def test_template_of_a_closed_pipeline_is_empty() -> None:
    assert input_template(load_yaml("pipeline: {identifier: p}")) == ""


def _value(merged: str, *keys: object) -> object:
    found: object = load_yaml(merged).data
    for key in keys:
        found = found[key]  # type: ignore[index]
    return found


def _variables(**values: object) -> str:
    listed = [{"name": name, "type": "String", "value": value} for name, value in values.items()]
    return dump_yaml({"pipeline": {"identifier": "p", "variables": listed}})


def test_merge_finds_nodes_by_identifier_and_variables_by_name() -> None:
    inputs = """
    pipeline:
      identifier: p
      properties: {ci: {codebase: {build: {type: branch, spec: {branch: main}}}}}
      variables: [{name: tag, value: v1}]
      stages:
        - stage: {identifier: c, delegateSelectors: [mine, fixed]}
        - parallel:
            - stage:
                identifier: a
                spec:
                  execution:
                    steps:
                      - stepGroup: {identifier: g, steps: [{step: {identifier: t, spec: {source: {spec: {script: echo}}}}}]}
    """
    merged = merge_inputs(PIPELINE, inputs)
    assert _value(merged, "pipeline", "variables", 2, "value") == "v1"
    build = _value(merged, "pipeline", "properties", "ci", "codebase", "build")
    assert build == {"type": "branch", "spec": {"branch": "main"}}
    group = _value(
        merged, "pipeline", "stages", 0, "parallel", 0, "stage", "spec", "execution", "steps", 1
    )
    assert group["stepGroup"]["steps"][0]["step"]["spec"]["source"]["spec"]["script"] == "echo"
    assert _value(merged, "pipeline", "stages", 1, "stage", "delegateSelectors") == [
        "mine",
        "fixed",
    ]


def test_later_overlay_wins_and_earlier_ones_stay_elsewhere() -> None:
    first = "inputSet: {pipeline: {variables: [{name: env, value: dev}, {name: tag, value: v1}]}}"
    merged = merge_inputs(PIPELINE, [first, _variables(env="prod"), ""])
    assert _value(merged, "pipeline", "variables", 0, "value") == "prod"
    assert _value(merged, "pipeline", "variables", 2, "value") == "v1"


def test_no_inputs_leave_the_pipeline_as_it_is() -> None:
    assert merge_inputs(PIPELINE, "") == PIPELINE
    assert merge_inputs(PIPELINE, []) == PIPELINE
    assert load_yaml(merge_inputs(PIPELINE, "pipeline: {}")).data == load_yaml(PIPELINE).data


def test_expressions_pass_every_validator() -> None:
    merged = merge_inputs(PIPELINE, _variables(env="<+trigger.branch>"))
    assert _value(merged, "pipeline", "variables", 0, "value") == "<+trigger.branch>"


REFUSED = [
    (_variables(env="test"), "'test' is not one of dev, prod"),
    (_variables(tag="1.0"), "does not match"),
    (_variables(nope="x"), "the pipeline has no name:nope here"),
    (_variables(fixed="y"), "not a runtime input"),
    ("pipeline: {variabls: []}", "Did you mean `variables`?"),
    ("pipeline: {identifier: other}", "not a runtime input"),
    ("pipeline: {stages: [{stage: {identifier: zz}}]}", "the pipeline has no stage identifier:zz"),
    ("pipeline: {stages: [{stage: {identifier: c, delegateSelectors: [a]}}]}", "has 2 items here"),
    ("other: {}", "expected a mapping under `pipeline:`"),
]


@pytest.mark.parametrize(("inputs", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_wrong_input_is_refused_with_its_path(inputs: str, words: str) -> None:
    with pytest.raises(YamlInvalidError) as caught:
        merge_inputs(PIPELINE, inputs)
    problem = caught.value.problems[0]
    assert words in f"{problem.message} {problem.hint}"
    assert problem.yaml_path.startswith("pipeline")


def test_all_wrong_inputs_are_reported_at_once() -> None:
    with pytest.raises(YamlInvalidError) as caught:
        merge_inputs(PIPELINE, _variables(env="x", tag="y", nope="z"))
    assert len(caught.value.problems) == 3


def test_unfilled_inputs_are_named_when_compiling() -> None:
    with pytest.raises(YamlInvalidError) as caught:
        compile_pipeline(PIPELINE)
    unfilled = {p.yaml_path for p in caught.value.problems if "has no value" in p.message}
    assert "pipeline.variables[0].value" in unfilled
    assert "pipeline.properties.ci.codebase.build" in unfilled
    assert not any(path.endswith("duration") for path in unfilled)


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        ("<+input>", "anything", ""),
        ("<+input>.allowedValues(a, b)", "b", ""),
        ("<+input>.allowedValues('a,b',c)", "a,b", ""),
        ("<+input>.allowedValues(1,2)", 2, ""),
        ("<+input>.allowedValues(true)", True, ""),
        ("<+input>.selectOneFrom(a,b)", "c", "'c' is not one of a, b"),
        ("<+input>.selectManyFrom(a,b)", "a, b", ""),
        ("<+input>.selectManyFrom(a,b)", ["a", "c"], "'c' is not one of a, b"),
        ("<+input>.regex(^(a|b)$).default(a)", "b", ""),
        ("<+input>.default(a).regex(^(a|b)$)", "c", "'c' does not match ^(a|b)$"),
    ],
)
def test_validator_judges_a_value(text: str, value: object, fault: str) -> None:
    assert parse_input(text).fault(value) == fault


@pytest.mark.parametrize(
    "text", ["<+input>x", "<+input>.nope(a)", "<+input>.regex(()", "<+input>.default(a"]
)
def test_malformed_input_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"validator|regular expression"):
        parse_input(text)


def test_defaults_keep_their_type() -> None:
    given_tree = {
        "a": "<+input>.default(3)",
        "b": ["<+input>.default(true)"],
        "c": "<+input>.default(x.y)",
        "d": "<+input>",
    }
    assert fill_defaults(given_tree) == {"a": 3, "b": [True], "c": "x.y", "d": "<+input>"}


def test_merge_tree_fills_an_entity() -> None:
    service = {"service": {"identifier": "s", "tag": "<+input>"}}
    assert merge_tree(service, {"service": {"tag": "1"}}) == {
        "service": {"identifier": "s", "tag": "1"}
    }


leaves = st.integers(min_value=1, max_value=10**9)
keys = st.sampled_from(["alpha", "beta", "gamma", "spec", "type_", "value"])


def _named(children: st.SearchStrategy) -> st.SearchStrategy:
    def wrap(items: list) -> list:
        return [{"step": {"identifier": f"s{i}", **item}} for i, item in enumerate(items)]

    return st.lists(
        st.dictionaries(keys, children, min_size=1, max_size=3), min_size=1, max_size=3
    ).map(wrap)


trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(keys, inner, min_size=1, max_size=3),
        st.lists(inner, min_size=1, max_size=3),
        _named(inner),
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    tree=st.dictionaries(keys, trees, min_size=1, max_size=4),
    chosen=st.randoms(use_true_random=False),
)
def test_template_filled_and_merged_is_the_original(tree: dict, chosen: object) -> None:
    def opened(value: object) -> object:
        if isinstance(value, dict):
            return {k: v if k == "identifier" else opened(v) for k, v in value.items()}
        if isinstance(value, list):
            return [opened(item) for item in value]
        return f"<+input>.allowedValues({value})" if chosen.random() < 0.5 else value  # type: ignore[attr-defined]

    original = {"pipeline": {"identifier": "p", **tree}}
    marked = dump_yaml(opened(original))
    template = input_template(load_yaml(marked))
    filled = re.sub(r"<\+input>\.allowedValues\((\d+)\)", r"\1", template)
    assert load_yaml(merge_inputs(marked, filled)).data == original
