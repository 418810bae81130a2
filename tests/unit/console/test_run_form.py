import yaml

from fake_harness.console.run_form import filled_inputs, run_fields

PIPELINE = """pipeline:
  identifier: p
  name: P
  variables:
    - {name: tag, type: String, value: <+input>}
    - {name: size, type: String, value: "<+input>.default(1m).allowedValues(1m,2m)"}
    - {name: fixed, type: String, value: x}
  stages:
    - parallel:
        - stage:
            identifier: dev
            name: Dev
            type: Custom
            spec:
              execution:
                steps:
                  - step:
                      identifier: rest
                      name: Rest
                      type: Wait
                      spec: {duration: "<+input>.regex(\\\\d+s)"}
"""


def test_form_has_a_field_for_each_runtime_input() -> None:
    tag, size, duration = run_fields(PIPELINE)
    assert (tag.label, tag.place, tag.default) == ("tag", "variables", "")
    assert (size.default, size.choices) == ("1m", ("1m", "2m"))
    assert duration.label == "duration"
    assert duration.place == "stages / dev / execution / steps / rest"
    assert duration.pattern == "\\d+s"


def test_what_was_entered_is_filled_and_the_rest_stays_open() -> None:
    tag, _, duration = run_fields(PIPELINE)
    filled = yaml.safe_load(filled_inputs(PIPELINE, {tag.name: "v1: x", duration.name: "10s"}))
    values = {item["name"]: item["value"] for item in filled["pipeline"]["variables"]}
    assert values == {"tag": "v1: x", "size": "<+input>.default(1m).allowedValues(1m,2m)"}
    stage = filled["pipeline"]["stages"][0]["parallel"][0]["stage"]
    step = stage["spec"]["execution"]["steps"][0]["step"]
    assert step["spec"]["duration"] == "10s"


def test_fields_that_the_form_does_not_have_are_ignored() -> None:
    assert "evil" not in filled_inputs(PIPELINE, {"input:pipeline/name": "evil"})


def test_pipeline_without_inputs_has_no_fields() -> None:
    plain = "pipeline: {identifier: p, name: P, stages: []}"
    assert run_fields(plain) == ()
    assert filled_inputs(plain, {}) == ""
