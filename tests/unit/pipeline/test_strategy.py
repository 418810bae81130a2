"""Looping strategies become iterations."""

import pytest

from fake_harness.errors import HarnessError
from fake_harness.pipeline.expressions import MappingScope, render
from fake_harness.pipeline.plan import Strategy
from fake_harness.pipeline.strategy import expand, max_concurrency, resolve_body


def _suffixes(kind: str, **body: object) -> list[str]:
    return [item.identifier_suffix for item in expand(Strategy(kind=kind, body=body), body)]


def test_matrix_runs_over_every_combination_in_order() -> None:
    found = expand(Strategy(kind="matrix", body={}), {"a": ["x", "y"], "b": [1, 2]})
    assert [item.matrix for item in found] == [
        {"a": "x", "b": 1},
        {"a": "x", "b": 2},
        {"a": "y", "b": 1},
        {"a": "y", "b": 2},
    ]
    assert [item.identifier_suffix for item in found] == ["_0_0", "_0_1", "_1_0", "_1_1"]
    assert {item.total for item in found} == {4}


def test_excluded_combinations_are_left_out() -> None:
    body = {"a": ["x", "y"], "b": [1, 2], "exclude": [{"a": "x", "b": "1"}, {"a": "y"}]}
    found = expand(Strategy(kind="matrix", body=body), body)
    assert [(item.matrix, item.index, item.total) for item in found] == [({"a": "x", "b": 2}, 0, 1)]


def test_node_name_replaces_the_indexes() -> None:
    body = {"a": ["x/y"], "b": [1], "nodeName": "<+matrix.a>-<+matrix.b>"}
    assert _suffixes("matrix", **body) == ["_x_y_1"]


def test_axis_may_be_json_text_or_an_expression() -> None:
    strategy = Strategy(kind="matrix", body={"a": "<+targets>", "nodeName": "<+matrix.a>"})
    body = resolve_body(strategy, MappingScope({"targets": '["p", "q"]'}))
    assert [item.matrix["a"] for item in expand(strategy, body)] == ["p", "q"]


def test_whole_matrix_may_be_an_expression() -> None:
    strategy = Strategy(kind="matrix", body={"matrix": "<+m>"})
    body = resolve_body(strategy, MappingScope({"m": {"a": [1, 2]}}))
    assert len(expand(strategy, body)) == 2


def test_repeat_times_counts_from_zero() -> None:
    assert _suffixes("repeat", times="3") == ["_0", "_1", "_2"]


def test_repeat_items_one_by_one() -> None:
    found = expand(Strategy(kind="repeat", body={}), {"items": ["10", "50"]})
    assert [item.item for item in found] == ["10", "50"]
    scope = MappingScope(found[1].context())
    assert render("<+repeat.item> <+strategy.iteration>/<+strategy.iterations>", scope) == "50 1/2"


def test_repeat_in_partitions() -> None:
    found = expand(Strategy(kind="repeat", body={}), {"items": list("abcde"), "partitionSize": 2})
    assert [item.partition for item in found] == [("a", "b"), ("c", "d"), ("e",)]
    half = {"items": list("abcd"), "partitionSize": 50, "unit": "Percentage"}
    assert len(expand(Strategy(kind="repeat", body={}), half)) == 2


def test_repeat_takes_a_window_of_items() -> None:
    found = expand(Strategy(kind="repeat", body={}), {"items": list("abcd"), "start": 1, "end": 3})
    assert [item.item for item in found] == ["b", "c"]


def test_parallelism_counts() -> None:
    assert _suffixes("parallelism", parallelism=2) == ["_0", "_1"]
    assert _suffixes("parallelism", parallelism=0) == []


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("parallelism", {"parallelism": "many"}, "must be a whole number"),
        ("parallelism", {"parallelism": 5001}, "5000 are allowed"),
        ("repeat", {"items": "a,b"}, "'items' is not a list"),
        ("repeat", {}, "times must be a whole number"),
        ("matrix", {}, "at least one axis"),
        ("matrix", {"a": list(range(71)), "b": list(range(71))}, "5000 are allowed"),
        ("matrix", {"a": list(range(5000)), "b": list(range(5000))}, "combinations"),
    ],
)
def test_impossible_loop_is_refused(kind: str, body: dict[str, object], words: str) -> None:
    with pytest.raises(HarnessError, match=words):
        expand(Strategy(kind=kind, body=body), body)


@pytest.mark.parametrize(
    ("given", "total", "most"), [(None, 4, 4), (2, 4, 2), ("3", 4, 3), (0, 4, 4)]
)
def test_concurrency_defaults_to_all(given: object, total: int, most: int) -> None:
    assert max_concurrency(given, total) == most
