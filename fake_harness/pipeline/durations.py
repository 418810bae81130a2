"""Harness durations (`10m`, `1h 30m`, `2d`); it does not know expressions."""

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+)\s*(ms|[smhdw])\s*")
_TIMEOUT = re.compile(r"^(([1-9])+\d+[s])$|^((([1-9])+\d*[mhwd])+([\s]?\d+[smhwd])*)$")


def parse_duration(text: str) -> float:
    """Return the seconds in `text`.

    Raises:
        ValueError: `text` is not a duration.
    """
    position = 0
    seconds = 0.0
    stripped = text.strip()
    while position < len(stripped):
        part = _PART.match(stripped, position)
        if part is None:
            break
        seconds += int(part.group(1)) * _UNITS_S[part.group(2)]
        position = part.end()
    if not stripped or position < len(stripped):
        message = f"{text!r} is not a duration; write it like 30s, 10m, 1h 30m or 2d"
        raise ValueError(message)
    return seconds


def is_timeout(text: str) -> bool:
    """True for what Harness accepts as `timeout`: seconds need two digits (`10s` or more).

    Source: v0 pipeline schema, the pattern of `Timeout`.
    """
    return text == "" or _TIMEOUT.match(text) is not None
