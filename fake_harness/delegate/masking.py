"""Masks secret values where log bytes enter; it keeps nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, cast

MASK = "**************"
_SHORTEST = 3

J = TypeVar("J")


class Masker:
    """Replaces every known secret value, whole or line by line, by Harness's mask."""

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part.strip() for value in values for part in (value, *value.splitlines())}
        # Longest first, so that a secret that contains another is masked whole.
        self._parts = sorted((p for p in parts if len(p) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return `text` without secret values."""
        for part in self._parts:
            text = text.replace(part, MASK)
        return text


def substitute(value: J, secrets: Mapping[str, str]) -> J:
    """Return a JSON value with each secret marker replaced by its value."""
    if isinstance(value, str):
        text: str = value
        for marker, secret in secrets.items():
            text = text.replace(marker, secret)
        return cast("J", text)
    if isinstance(value, Mapping):
        return cast("J", {key: substitute(item, secrets) for key, item in value.items()})
    if isinstance(value, Sequence):
        return cast("J", [substitute(item, secrets) for item in value])
    return value
