"""Read the parts that stages, step groups and steps share: names, when, strategy, variables.

Source: Harness v0 pipeline schema (identifier, name and timeout patterns; `when`; looping).
"""

import re
from collections.abc import Mapping

from fake_harness.pipeline.durations import is_timeout
from fake_harness.pipeline.fields import is_expression
from fake_harness.pipeline.plan import JsonObject, Strategy, Variable, When
from fake_harness.pipeline.problems import Report, Source
from fake_harness.pipeline.yaml_source import join

IDENTIFIER = re.compile(r"[a-zA-Z_][0-9a-zA-Z_]{0,127}")
_NAME = re.compile(r"[a-zA-Z_0-9-.][-0-9a-zA-Z_\s.]{0,127}")
_VARIABLE_NAME = re.compile(r"[a-zA-Z_][0-9a-zA-Z_.$-]{0,127}")
_STATUSES = ("Success", "Failure", "All")
_VARIABLE_TYPES = ("String", "Number", "Secret")
_VARIABLE_KEYS = {"name", "type", "value", "default", "required", "description", "metadata"}
_LOOPS = ("matrix", "parallelism", "repeat")
_REPEAT_KEYS = {
    "times",
    "items",
    "start",
    "end",
    "unit",
    "partitionSize",
    "maxConcurrency",
    "nodeName",
    "description",
}


def mapping(value: object, path: str, report: Report, *, what: str) -> JsonObject:
    """Return `value` as a mapping; an empty one, with a problem, when it is none."""
    if isinstance(value, Mapping):
        return value
    report.error(path, f"{what} must be a mapping", source="schema")
    return {}


def text(value: object) -> str:
    """Return a scalar as text; null is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def identifier(raw: JsonObject, path: str, report: Report, *, what: str) -> str:
    """Return the checked identifier of a node."""
    value = raw.get("identifier")
    if value is None:
        report.missing(path, "identifier", what, source=_refuser(what))
        return ""
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        report.error(
            join(path, "identifier"),
            f"{value!r} is not an identifier",
            source="schema",
            hint="Letters, digits and `_` only, not starting with a digit, 128 at most.",
        )
    return text(value)


def _refuser(what: str) -> Source:
    """Tell who refuses a missing name: the published schema asks none of the pipeline."""
    return "semantic" if what == "the pipeline" else "schema"


def name(raw: JsonObject, path: str, report: Report, *, what: str) -> str:
    """Return the checked name of a node."""
    value = raw.get("name")
    if value is None:
        report.missing(path, "name", what, source=_refuser(what))
        return text(raw.get("identifier"))
    if not is_expression(value) and not _NAME.fullmatch(text(value)):
        report.error(
            join(path, "name"),
            f"{value!r} is not a name",
            source="schema",
            hint="Letters, digits, blanks, `.`, `_` and `-` only, 128 at most.",
        )
    return text(value)


def timeout(raw: JsonObject, path: str, report: Report) -> str | None:
    """Return the checked timeout of a node."""
    value = raw.get("timeout")
    if value is None:
        return None
    written = text(value)
    if not is_expression(written) and not is_timeout(written):
        report.error(
            join(path, "timeout"),
            f"{written!r} is not a timeout",
            source="schema",
            hint="Write 30s (10s at least), 10m, 1h 30m or 2d.",
        )
    return written or None


def selectors(value: object, path: str, report: Report) -> tuple[str, ...]:
    """Return delegate selectors; one expression counts as one selector."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(text(item) for item in value)
    report.error(path, "delegateSelectors must be a list")
    return ()


def tags(value: object, path: str, report: Report) -> Mapping[str, str]:
    """Return checked tags."""
    if value is None or isinstance(value, str):
        return {}
    for key, item in mapping(value, path, report, what="tags").items():
        if item is None or isinstance(item, Mapping | list):
            report.error(join(path, key), "a tag's value must be text", source="schema")
    return {str(k): text(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def when(raw: JsonObject, path: str, report: Report, *, status_key: str) -> When | None:
    """Return the checked `when` of a node; `status_key` is pipelineStatus or stageStatus."""
    value = raw.get("when")
    if value is None or isinstance(value, str):
        return None
    at = join(path, "when")
    block = mapping(value, at, report, what="when")
    report.unknown_keys(at, block, {status_key, "condition", "description"})
    run_on = block.get(status_key)
    if run_on is None:
        report.missing(at, status_key, "when")
    elif not is_expression(run_on) and run_on not in _STATUSES:
        message = f"{run_on!r} is not {' or '.join(_STATUSES)}"
        report.error(join(at, status_key), message, source="schema")
    condition = block.get("condition")
    return When(
        run_on=text(run_on) or "Success",
        condition=None if condition is None else text(condition),
    )


def variables(value: object, path: str, report: Report) -> tuple[Variable, ...]:
    """Return checked variables; a missing value falls back to the default."""
    if value is None:
        return ()
    if not isinstance(value, list):
        report.error(path, "variables must be a list", source="schema")
        return ()
    found: dict[str, Variable] = {}
    for index, raw in enumerate(value):
        at = f"{path}[{index}]"
        variable = _variable(mapping(raw, at, report, what="a variable"), at, report)
        if variable.name in found:
            report.error(join(at, "name"), f"variable {variable.name!r} is defined twice")
        found[variable.name] = variable
    return tuple(found.values())


def _variable(raw: JsonObject, path: str, report: Report) -> Variable:
    report.unknown_keys(path, raw, _VARIABLE_KEYS)
    written, kind = text(raw.get("name")), text(raw.get("type") or "String")
    if not written:
        report.missing(path, "name", "a variable")
    elif not _VARIABLE_NAME.fullmatch(written):
        report.error(join(path, "name"), f"{written!r} is not a variable's name", source="schema")
    if kind not in _VARIABLE_TYPES:
        message = f"{kind!r} is not {' or '.join(_VARIABLE_TYPES)}"
        report.error(join(path, "type"), message, source="schema")
    value = raw.get("value")
    if value is None:
        value = raw.get("default", "")
        if "value" not in raw and "default" not in raw:
            report.missing(path, "value", f"variable {written!r}")
    return Variable(name=written, type=kind, value=_typed(value, kind))


def _typed(value: object, kind: str) -> object:
    """Return a variable's value as its type wants it: `value: 1` of a String is "1"."""
    if kind == "Number" and isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if kind != "Number" and isinstance(value, bool | int | float):
        return text(value)
    return value


def strategy(raw: JsonObject, path: str, report: Report) -> Strategy | None:
    """Return the checked looping strategy of a node."""
    value = raw.get("strategy")
    if value is None:
        return None
    at = join(path, "strategy")
    block = mapping(value, at, report, what="strategy")
    report.unknown_keys(at, block, {*_LOOPS, "when", "onFailure", "description", "maxConcurrency"})
    loops = [kind for kind in _LOOPS if kind in block]
    if len(loops) != 1:
        found = " and ".join(loops) or "none"
        message = f"strategy needs exactly one of matrix, parallelism, repeat; found {found}"
        report.error(at, message, source="schema")
        return None
    kind = loops[0]
    body = block[kind]
    _check_loop(kind, body, join(at, kind), report)
    fields: dict[str, object] = dict(body) if isinstance(body, Mapping) else {kind: body}
    concurrency = fields.pop("maxConcurrency", block.get("maxConcurrency"))
    condition = block.get("when")
    return Strategy(
        kind=kind,
        body=fields,
        max_concurrency=concurrency if isinstance(concurrency, int) else _maybe(concurrency),
        when=None if condition is None else text(condition),
        on_failure=text(block.get("onFailure")) or "RunAll",
    )


def _maybe(value: object) -> str | None:
    return None if value is None else text(value)


def _check_loop(kind: str, body: object, path: str, report: Report) -> None:
    if is_expression(body):
        return
    if kind == "parallelism":
        if not isinstance(body, int) or isinstance(body, bool) or body < 0:
            report.error(path, f"parallelism must be a whole number, found {body!r}")
        return
    block = mapping(body, path, report, what=kind)
    if kind == "repeat":
        _check_repeat(block, path, report)
        return
    axes = {k: v for k, v in block.items() if k not in {"exclude", "maxConcurrency", "nodeName"}}
    if not axes:
        report.error(path, "a matrix needs at least one axis")
    for axis, values in axes.items():
        if not isinstance(values, list) and not is_expression(values):
            report.error(join(path, axis), f"axis {axis!r} must be a list or an expression")
    for index, excluded in enumerate(_list(block.get("exclude"))):
        at = f"{path}.exclude[{index}]"
        unknown = set(mapping(excluded, at, report, what="exclude")) - set(axes)
        for axis in sorted(unknown):
            report.error(join(at, axis), f"{axis!r} is not an axis of the matrix")


def _check_repeat(block: JsonObject, path: str, report: Report) -> None:
    report.unknown_keys(path, block, _REPEAT_KEYS)
    if ("times" in block) == ("items" in block):
        report.error(path, "repeat needs exactly one of `times` and `items`", source="schema")
    items = block.get("items")
    if items is not None and not isinstance(items, list) and not is_expression(items):
        report.error(join(path, "items"), "items must be a list or an expression")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
