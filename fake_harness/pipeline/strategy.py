"""Expand a looping strategy into its iterations; starting them is the engine's.

Source: Harness docs, "Looping strategies"; harness-core `StrategyUtils` (suffixes, cap).
"""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fake_harness.errors import HarnessError
from fake_harness.pipeline.expressions import MappingScope, Scope, render, to_text
from fake_harness.pipeline.jexl.arithmetic import equals
from fake_harness.pipeline.plan import JsonObject, Strategy

MAX_ITERATIONS = 5000
_NO_AXES = frozenset({"exclude", "maxConcurrency", "nodeName"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One run of the template."""

    index: int
    total: int
    identifier_suffix: str
    """`_0`, `_0_1`, or `_<nodeName>`: goes after the identifier and the name."""
    matrix: JsonObject = field(default_factory=dict)
    item: object = None
    partition: tuple[object, ...] = ()

    def context(self) -> JsonObject:
        """Return what expressions see: the roots `matrix`, `repeat` and `strategy`."""
        repeat = {"item": self.item, "partition": list(self.partition)}
        return {
            "matrix": self.matrix,
            "repeat": repeat,
            "strategy": {
                "matrix": self.matrix,
                "repeat": repeat,
                "iteration": self.index,
                "iterations": self.total,
                "identifierPostFix": self.identifier_suffix,
            },
        }


def resolve_body(strategy: Strategy, scope: Scope) -> JsonObject:
    """Return the body with its expressions resolved, `nodeName` left for `expand`.

    Raises:
        ExpressionError: an expression cannot be resolved.
    """
    resolved = {
        key: value if key == "nodeName" else render(value, scope)
        for key, value in strategy.body.items()
    }
    inner = resolved.get(strategy.kind)
    return {**inner} if isinstance(inner, Mapping) else resolved


def expand(strategy: Strategy, resolved_body: JsonObject) -> list[Iteration]:
    """Return the iterations of a strategy whose body is resolved.

    Raises:
        HarnessError: the resolved body does not describe a loop, or more than 5000 runs.
    """
    if strategy.kind == "matrix":
        found = _matrix(resolved_body)
    elif strategy.kind == "repeat":
        found = _repeat(resolved_body)
    else:
        found = _numbered(_whole(resolved_body.get("parallelism"), "parallelism"))
    if len(found) > MAX_ITERATIONS:
        raise _refusal(f"{len(found)} iterations, {MAX_ITERATIONS} are allowed")
    return found


def max_concurrency(resolved: object, total: int) -> int:
    """Return how many iterations may run at once; absent or 0 means all."""
    if resolved is None or resolved == "":
        return max(total, 1)
    return _whole(resolved, "maxConcurrency") or max(total, 1)


def _matrix(body: JsonObject) -> list[Iteration]:
    inner = body.get("matrix")
    body = inner if isinstance(inner, Mapping) else body
    axes = {key: _values(value, key) for key, value in body.items() if key not in _NO_AXES}
    size = math.prod(len(values) for values in axes.values())
    if not axes or size > MAX_ITERATIONS * 20:
        raise _refusal("a matrix needs at least one axis" if not axes else f"{size} combinations")
    excluded = _excluded(body.get("exclude"))
    cells = []
    for places in itertools.product(*(range(len(values)) for values in axes.values())):
        chosen = {axis: values[at] for (axis, values), at in zip(axes.items(), places, strict=True)}
        if not any(_is_excluded(chosen, entry) for entry in excluded):
            cells.append((places, chosen))
    return [
        Iteration(
            index=index,
            total=len(cells),
            identifier_suffix=_suffix(body.get("nodeName"), chosen, index, len(cells))
            or "".join(f"_{place}" for place in places),
            matrix=chosen,
        )
        for index, (places, chosen) in enumerate(cells)
    ]


def _suffix(node_name: object, chosen: JsonObject, index: int, total: int) -> str:
    """Return the suffix that `nodeName` asks for, made fit for an identifier."""
    if not node_name:
        return ""
    iteration = Iteration(index=index, total=total, identifier_suffix="", matrix=chosen)
    name = to_text(render(node_name, MappingScope(iteration.context()), unresolved="keep"))
    return "_" + re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_")


def _excluded(value: object) -> list[JsonObject]:
    entries = _values(value, "exclude") if value else []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _is_excluded(chosen: JsonObject, entry: JsonObject) -> bool:
    return all(axis in chosen and equals(chosen[axis], value) for axis, value in entry.items())


def _repeat(body: JsonObject) -> list[Iteration]:
    if "items" not in body:
        return _numbered(_whole(body.get("times"), "times"))
    items = _window(_values(body["items"], "items"), body)
    size = body.get("partitionSize")
    if size is None:
        chunks: list[Sequence[object]] = [[item] for item in items]
    else:
        width = max(1, _amount(size, len(items), body))
        chunks = [items[at : at + width] for at in range(0, len(items), width)]
    return [
        Iteration(
            index=index,
            total=len(chunks),
            identifier_suffix=f"_{index}",
            item=chunk[0] if size is None else None,
            partition=() if size is None else tuple(chunk),
        )
        for index, chunk in enumerate(chunks)
    ]


def _window(items: list[object], body: JsonObject) -> list[object]:
    start, end = body.get("start"), body.get("end")
    first = 0 if start is None else _amount(start, len(items), body)
    last = len(items) if end is None else _amount(end, len(items), body)
    return items[first:last]


def _amount(value: object, total: int, body: JsonObject) -> int:
    amount = _whole(value, "repeat")
    return math.ceil(total * amount / 100) if body.get("unit") == "Percentage" else amount


def _numbered(count: int) -> list[Iteration]:
    if count > MAX_ITERATIONS:
        raise _refusal(f"{count} iterations, {MAX_ITERATIONS} are allowed")
    return [
        Iteration(index=index, total=count, identifier_suffix=f"_{index}", item=index)
        for index in range(count)
    ]


def _values(value: object, what: str) -> list[object]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    raise _refusal(f"{what!r} is not a list")


def _whole(value: object, what: str) -> int:
    text = to_text(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", text):
        raise _refusal(f"{what} must be a whole number, it is {text!r}")
    return int(text)


def _refusal(message: str) -> HarnessError:
    return HarnessError("INVALID_REQUEST", f"Invalid looping strategy: {message}")
