"""Checks and converts manifest content by botocore's shapes; pure, it calls nothing.

Manifests spell keys in camelCase; some services want them in PascalCase. Scalars are
converted as the Java mapper of Harness does: `"2"` is a number where one is wanted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fake_harness.delegate.results import JsonObject

Shape = Any  # botocore's shapes have no static types


class ShapeError(ValueError):
    """A value that does not fit; `str()` is the key path and what is wrong with it."""


def request_from(value: JsonObject, shape: Shape) -> dict[str, Any]:
    """Return a request for boto3 from a manifest's content; null members are dropped.

    Raises:
        ShapeError: a key is unknown, or a value is of the wrong kind.
    """
    made = _convert(value, shape, "")
    return made if isinstance(made, dict) else {}


def filtered(value: object, shape: Shape) -> Any:
    """Return `value` without the members that the shape does not have, and without nulls."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return {
            key: filtered(item, shape.members[key])
            for key, item in value.items()
            if key in shape.members and item is not None
        }
    if shape.type_name == "list" and _is_list(value):
        return [filtered(item, shape.member) for item in _items(value)]
    return value


def _convert(value: object, shape: Shape, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(value, shape, path)
    if kind == "list":
        if not _is_list(value):
            raise ShapeError(f"[{path}] must be a list")
        rows = enumerate(_items(value))
        return [_convert(item, shape.member, f"{path}[{n}]") for n, item in rows]
    if kind == "map":
        if not isinstance(value, Mapping):
            raise ShapeError(f"[{path}] must be an object")
        return {
            str(key): _convert(item, shape.value, f"{path}.{key}")
            for key, item in value.items()
            if item is not None
        }
    return _scalar(value, kind, path)


def _structure(value: object, shape: Shape, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ShapeError(f"[{path}] must be an object")
    made: dict[str, Any] = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        member = _member(shape, str(key))
        if member is None:
            raise ShapeError(f"unknown key [{where}]")
        if item is not None:
            made[member] = _convert(item, shape.members[member], where)
    return made


def _member(shape: Shape, key: str) -> str | None:
    pascal = key[:1].upper() + key[1:]
    return next((name for name in (key, pascal) if name in shape.members), None)


def _scalar(value: object, kind: str, path: str) -> Any:
    try:
        if kind in {"integer", "long"}:
            return _whole(value)
        if kind in {"float", "double"}:
            return float(str(value))
        if kind == "boolean":
            return {"true": True, "false": False}[str(value).lower()]
    except (ValueError, KeyError):
        raise ShapeError(f"[{path}] must be of type {kind}, not [{value}]") from None
    if kind == "string":
        if isinstance(value, (Mapping, list)):
            raise ShapeError(f"[{path}] must be a text")
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _whole(value: object) -> int:
    number = float(str(value))
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, Sequence) else ()
