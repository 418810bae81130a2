import yaml

from fake_harness.api.launch import merged_layers

ONE = "inputSet: {identifier: a, pipeline: {identifier: p, variables: [{name: x, value: 1}]}}"
TWO = "pipeline: {identifier: p, variables: [{name: x, value: 2}, {name: y, value: 3}]}"


def test_later_inputs_win_and_others_stay() -> None:
    merged = yaml.safe_load(merged_layers([ONE, "", TWO]))
    values = {item["name"]: item["value"] for item in merged["pipeline"]["variables"]}
    assert {name: str(value) for name, value in values.items()} == {"x": "2", "y": "3"}


def test_nothing_given_is_empty_text() -> None:
    assert merged_layers([]) == ""
    assert merged_layers(["", "  \n"]) == ""
