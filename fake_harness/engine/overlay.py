"""Lay the inputs of an entity (`serviceInputs`, `environmentInputs`) over its YAML; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

_NAMES = ("identifier", "name")


def overlay(base: object, inputs: object) -> object:
    """Return `base` with `inputs` over it; list items are matched by identifier or name."""
    if isinstance(base, Mapping) and isinstance(inputs, Mapping):
        merged = dict(base)
        for key, value in inputs.items():
            merged[key] = overlay(base[key], value) if key in base else value
        return merged
    if _is_list(base) and _is_list(inputs):
        return _overlay_list(list(base), list(inputs))
    return base if inputs is None else inputs


def unfilled(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of the `<+input>` that are left."""
    if isinstance(value, str):
        if value.strip().startswith("<+input>"):
            yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from unfilled(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence):
        for number, item in enumerate(value):
            yield from unfilled(item, f"{path}[{number}]")


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _overlay_list(base: list[object], inputs: list[object]) -> list[object]:
    keys = [_key(item) for item in inputs]
    if not all(keys) or not all(map(_key, base)):
        return inputs
    given = dict(zip(keys, inputs, strict=True))
    merged = [overlay(item, given.pop(_key(item), None)) for item in base]
    return [*merged, *given.values()]


def _key(item: object) -> str:
    """Return what names a list item, also inside its wrapper (`{"manifest": {...}}`)."""
    if not isinstance(item, Mapping):
        return ""
    for name in _NAMES:
        if isinstance(item.get(name), str):
            return str(item[name])
    inner = next(iter(item.values())) if len(item) == 1 else None
    return _key(inner) if isinstance(inner, Mapping) else ""
