"""The types of fields of a `spec`, and the check of a value against them.

Every field also takes an expression (`<+...>`), whose value is not known here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from fake_harness.pipeline.durations import parse_duration
from fake_harness.pipeline.problems import Report, Source, nearest
from fake_harness.pipeline.yaml_source import join


class FieldKind(Enum):
    """What a value must be."""

    TEXT = auto()
    """Any scalar: Harness reads numbers and booleans as text where text is due."""
    WHOLE = auto()
    FLAG = auto()
    CHOICE = auto()
    DURATION = auto()
    LIST = auto()
    MAP = auto()
    OBJECT = auto()
    VARIANT = auto()
    """`{type: X, spec: {...}}` where the spec depends on the type."""
    ANY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """The type of one field."""

    kind: FieldKind
    choices: tuple[str, ...] = ()
    item: "FieldType | None" = None
    fields: Mapping[str, "Field"] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, "Field"]] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the type in words, for the table of steps."""
        if self.kind is FieldKind.CHOICE:
            return " or ".join(self.choices)
        if self.kind is FieldKind.VARIANT:
            return f"{{type: {' or '.join(self.variants)}, spec}}"
        if self.kind in {FieldKind.LIST, FieldKind.MAP} and self.item is not None:
            return f"{self.kind.name.lower()} of {self.item.describe()}"
        if self.kind is FieldKind.OBJECT:
            return f"{{{', '.join(self.fields)}}}"
        return self.kind.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a spec. `required` names who refuses its absence."""

    type: FieldType
    required: Source | None = None


TEXT = FieldType(kind=FieldKind.TEXT)
WHOLE = FieldType(kind=FieldKind.WHOLE)
FLAG = FieldType(kind=FieldKind.FLAG)
DURATION = FieldType(kind=FieldKind.DURATION)
ANY = FieldType(kind=FieldKind.ANY)


def choice(*choices: str) -> FieldType:
    """Return the type of one word among `choices`."""
    return FieldType(kind=FieldKind.CHOICE, choices=choices)


def list_of(item: FieldType) -> FieldType:
    """Return the type of a list."""
    return FieldType(kind=FieldKind.LIST, item=item)


def map_of(item: FieldType) -> FieldType:
    """Return the type of a mapping with free keys."""
    return FieldType(kind=FieldKind.MAP, item=item)


def object_of(**fields: FieldType | Field) -> FieldType:
    """Return the type of a mapping with these keys only."""
    return FieldType(kind=FieldKind.OBJECT, fields=table(**fields))


def variant_of(**variants: Mapping[str, Field]) -> FieldType:
    """Return the type of `{type, spec}`."""
    return FieldType(kind=FieldKind.VARIANT, variants=variants)


def required(kind: FieldType, *, by: Source = "schema") -> Field:
    """Return a field that must be there."""
    return Field(type=kind, required=by)


def table(**fields: FieldType | Field) -> Mapping[str, Field]:
    """Return the fields by key; a bare type is an optional field."""
    return {
        key: value if isinstance(value, Field) else Field(type=value)
        for key, value in fields.items()
    }


def is_expression(value: object) -> bool:
    """True for text that holds an expression."""
    return isinstance(value, str) and "<+" in value


def check_fields(
    value: Mapping[str, object],
    fields: Mapping[str, Field],
    path: str,
    report: Report,
    *,
    what: str,
) -> None:
    """Check the keys of `value`: unknown ones, missing ones, and each one's type."""
    report.unknown_keys(path, value, {*fields, "description"})
    for key, expected in fields.items():
        found = value.get(key)
        if found is None:
            if expected.required:
                report.missing(path, key, what, source=expected.required)
        else:
            check_value(found, expected.type, join(path, key), report)


def check_value(value: object, expected: FieldType, path: str, report: Report) -> None:
    """Check one value; problems go to `report`."""
    if expected.kind is FieldKind.ANY or value is None or is_expression(value):
        return
    if expected.kind in _SCALARS:
        message = _scalar_fault(value, expected)
        if message:
            report.error(path, message, source="schema", hint=_choice_hint(value, expected))
        return
    _CONTAINERS[expected.kind](value, expected, path, report)


_SCALARS = {
    FieldKind.TEXT,
    FieldKind.WHOLE,
    FieldKind.FLAG,
    FieldKind.CHOICE,
    FieldKind.DURATION,
}


def _scalar_fault(value: object, expected: FieldType) -> str:
    if not isinstance(value, str | int | float | bool):
        return f"expected {expected.describe()}, found {_kind(value)}"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    fine = {
        FieldKind.TEXT: True,
        FieldKind.WHOLE: re.fullmatch(r"-?\d+", text) is not None,
        FieldKind.FLAG: text.lower() in {"true", "false"},
        FieldKind.CHOICE: text in expected.choices,
        FieldKind.DURATION: _is_duration(text),
    }[expected.kind]
    return "" if fine else f"{value!r} is not {_article(expected)}"


def _article(expected: FieldType) -> str:
    return {
        FieldKind.WHOLE: "a whole number",
        FieldKind.FLAG: "true or false",
        FieldKind.DURATION: "a duration such as 30s, 10m or 1h 30m",
    }.get(expected.kind, expected.describe())


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


def _choice_hint(value: object, expected: FieldType) -> str:
    near = nearest(str(value), expected.choices)
    return f"Did you mean {near!r}?" if near else ""


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)


def _check_list(value: object, expected: FieldType, path: str, report: Report) -> None:
    if not isinstance(value, list):
        report.error(path, f"expected a list, found {_kind(value)}", source="schema")
        return
    for index, item in enumerate(value):
        check_value(item, expected.item or ANY, f"{path}[{index}]", report)


def _check_map(value: object, expected: FieldType, path: str, report: Report) -> None:
    if not isinstance(value, Mapping):
        report.error(path, f"expected a mapping, found {_kind(value)}", source="schema")
        return
    for key, item in value.items():
        check_value(item, expected.item or ANY, join(path, key), report)


def _check_object(value: object, expected: FieldType, path: str, report: Report) -> None:
    if not isinstance(value, Mapping):
        report.error(path, f"expected a mapping, found {_kind(value)}", source="schema")
        return
    check_fields(value, expected.fields, path, report, what=path.rsplit(".", 1)[-1])


def _check_variant(value: object, expected: FieldType, path: str, report: Report) -> None:
    if not isinstance(value, Mapping):
        report.error(path, f"expected a mapping, found {_kind(value)}", source="schema")
        return
    report.unknown_keys(path, value, {"type", "spec", "description"})
    kind = value.get("type")
    what = path.rsplit(".", 1)[-1]
    if kind is None:
        report.missing(path, "type", what)
    elif isinstance(kind, str) and kind in expected.variants:
        _check_spec(value.get("spec"), expected.variants[kind], path, report, kind=kind)
    elif not is_expression(kind):
        near = nearest(str(kind), expected.variants)
        report.error(
            join(path, "type"),
            f"{kind!r} is not {' or '.join(expected.variants)}",
            source="schema",
            hint=f"Did you mean {near!r}?" if near else "",
        )


def _check_spec(
    spec: object, fields: Mapping[str, Field], path: str, report: Report, *, kind: str
) -> None:
    if isinstance(spec, Mapping):
        check_fields(spec, fields, join(path, "spec"), report, what=f"type {kind}")
    elif not is_expression(spec) and any(f.required for f in fields.values()):
        report.missing(path, "spec", f"type {kind}")


_CONTAINERS = {
    FieldKind.LIST: _check_list,
    FieldKind.MAP: _check_map,
    FieldKind.OBJECT: _check_object,
    FieldKind.VARIANT: _check_variant,
}
