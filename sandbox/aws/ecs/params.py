"""Reads plain request parameters into typed values; the wire has checked their shapes."""

from collections.abc import Mapping, Sequence
from typing import cast

from sandbox.types import JsonObject


def text(params: JsonObject, key: str, default: str = "") -> str:
    """Return a string member, or `default` when it is absent."""
    value = params.get(key)
    return default if value is None else str(value)


def integer(params: JsonObject, key: str) -> int | None:
    """Return an integer member, or None when it is absent."""
    value = params.get(key)
    return None if value is None else int(cast("int", value))


def flag(params: JsonObject, key: str, *, default: bool = False) -> bool:
    """Return a boolean member, or `default` when it is absent."""
    value = params.get(key)
    return default if value is None else bool(value)


def texts(params: JsonObject, key: str) -> tuple[str, ...]:
    """Return a list of strings; empty when it is absent."""
    value = cast("Sequence[object]", params.get(key) or ())
    return tuple(str(item) for item in value)


def member(params: JsonObject, key: str) -> JsonObject:
    """Return a structure member; empty when it is absent."""
    return cast("JsonObject", params.get(key) or {})


def members(params: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Return a list of structures; empty when it is absent."""
    return tuple(cast("Sequence[JsonObject]", params.get(key) or ()))


def pairs(params: JsonObject, key: str, *, name: str, value: str) -> dict[str, str]:
    """Return a list of name and value structures as a map, later ones winning."""
    return {text(item, name): text(item, value) for item in members(params, key)}


def tags(params: JsonObject, key: str = "tags") -> dict[str, str]:
    """Return the tags of a request as a map."""
    return pairs(params, key, name="key", value="value")


def wire_tags(values: Mapping[str, str]) -> list[JsonObject]:
    """Return tags in AWS's shape."""
    return [{"key": key, "value": value} for key, value in values.items()]


def present(**values: object) -> dict[str, object]:
    """Return the members that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def page(
    items: Sequence[str], params: JsonObject, *, default_size: int = 100
) -> tuple[list[str], str | None]:
    """Cut one page out of `items` by `maxResults` and `nextToken`; return the next token."""
    size = integer(params, "maxResults") or default_size
    token = text(params, "nextToken")
    start = int(token) if token.isdecimal() else 0
    following = start + size
    return list(items[start:following]), str(following) if following < len(items) else None
