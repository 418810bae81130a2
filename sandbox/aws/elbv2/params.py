"""Narrow parsed request parameters to types; it knows no operation.

The request fits its botocore shape already, so a wrong type here is a bug, not bad input.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from sandbox.types import JsonObject


def text(params: JsonObject, key: str, default: str = "") -> str:
    """Return a string member, or `default`."""
    value = params.get(key)
    return default if value is None else str(value)


def number(params: JsonObject, key: str, default: int) -> int:
    """Return an integer member, or `default`."""
    value = optional_number(params, key)
    return default if value is None else value


def optional_number(params: JsonObject, key: str) -> int | None:
    """Return an integer member, or None."""
    value = params.get(key)
    return None if value is None else int(cast("int", value))


def texts(params: JsonObject, key: str) -> tuple[str, ...]:
    """Return a list of strings, empty when absent."""
    return tuple(str(item) for item in cast("Sequence[object]", params.get(key) or ()))


def objects(params: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Return a list of structures, empty when absent."""
    return tuple(cast("Sequence[JsonObject]", params.get(key) or ()))


def child(params: JsonObject, key: str) -> JsonObject:
    """Return a structure member, empty when absent."""
    return cast("JsonObject", params.get(key) or {})


def pairs(params: JsonObject, key: str) -> Mapping[str, str]:
    """Return a list of `{Key, Value}` as a mapping."""
    return {text(item, "Key"): text(item, "Value") for item in objects(params, key)}
