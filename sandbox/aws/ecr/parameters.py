"""Typed reads of parsed request parameters, and pages of answers; no meaning of its own."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from sandbox.errors import AwsError
from sandbox.types import JsonObject

T = TypeVar("T")


def text(params: JsonObject, key: str, default: str = "") -> str:
    """Read a string."""
    value = params.get(key)
    return default if value is None else str(value)


def texts(params: JsonObject, key: str) -> tuple[str, ...]:
    """Read a list of strings."""
    return tuple(str(item) for item in cast("Sequence[object]", params.get(key) or ()))


def objects(params: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Read a list of structures."""
    return tuple(cast("Sequence[JsonObject]", params.get(key) or ()))


def child(params: JsonObject, key: str) -> JsonObject:
    """Read a structure; an absent one is empty."""
    return cast("JsonObject", params.get(key) or {})


def page(
    items: Sequence[T], params: JsonObject, *, key: Callable[[T], str], default: int = 100
) -> tuple[Sequence[T], JsonObject]:
    """Cut one page out of `items` and return it with its `nextToken`, if there is more.

    The token names the last key that was given out, so that a page stays right when
    items come or go meanwhile.

    Raises:
        AwsError: InvalidParameterException for a token that is none of ours.

    """
    ordered = sorted(items, key=key)
    token = text(params, "nextToken")
    if token:
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise AwsError("InvalidParameterException", "Invalid nextToken.") from error
        ordered = [item for item in ordered if key(item) > after]
    size = cast("int | None", params.get("maxResults")) or default
    chosen = ordered[:size]
    if len(ordered) <= size:
        return chosen, {}
    return chosen, {"nextToken": base64.urlsafe_b64encode(key(chosen[-1]).encode()).decode()}
