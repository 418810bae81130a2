"""The Java methods of strings, lists, maps and numbers that expressions may call.

Source: Java 8 `String`, `List`, `Map`, `Number` API documentation.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from fake_harness.pipeline.jexl.arithmetic import equals, number, pattern, to_text
from fake_harness.pipeline.jexl.errors import ExpressionError

Method = Callable[..., object]
_MAX_REPEAT = 100_000


def call(target: object, name: str, args: list[object]) -> object:
    """Call `target.name(args)`.

    Raises:
        ExpressionError: no such method, or arguments that it does not take.
    """
    table, kind = _table(target)
    method = table.get(name) or _ANY.get(name)
    if method is None:
        known = ", ".join(sorted(table))
        raise ExpressionError(f"{kind} has no method {name!r}", hint=f"It has: {known}.")
    try:
        return method(target, *args)
    except (TypeError, IndexError, ValueError) as error:
        detail = str(error) if isinstance(error, IndexError) else "wrong arguments"
        raise ExpressionError(f"{kind}.{name}({_listed(args)}): {detail}") from error


def _listed(args: list[object]) -> str:
    return ", ".join(repr(arg) if isinstance(arg, str) else to_text(arg) for arg in args)


def _table(target: object) -> tuple[Mapping[str, Method], str]:
    if isinstance(target, str):
        return _STRING, "a string"
    if isinstance(target, bool):
        return {}, "a boolean"
    if isinstance(target, int | float):
        return _NUMBER, "a number"
    if isinstance(target, Mapping):
        return _MAP, "a map"
    if isinstance(target, Sequence):
        return _LIST, "a list"
    return {}, type(target).__name__


def _index(value: object) -> int:
    return int(number(value))


def _substring(text: str, begin: object, end: object = None) -> str:
    start = _index(begin)
    stop = len(text) if end is None else _index(end)
    if not 0 <= start <= stop <= len(text):
        raise IndexError(f"begin {start}, end {stop}, length {len(text)}")
    return text[start:stop]


def _char_at(text: str, index: object) -> str:
    at = _index(index)
    if not 0 <= at < len(text):
        raise IndexError(f"index {at}, length {len(text)}")
    return text[at]


def _split(text: str, separator: str, limit: object = 0) -> list[str]:
    """Split as Java does: with limit 0, empty strings at the end are dropped."""
    most = _index(limit)
    compiled = pattern(separator)
    parts: list[str] = []
    position = 0
    for match in compiled.finditer(text):
        if 0 < most <= len(parts) + 1:
            break
        if match.end() == 0:
            continue
        parts.append(text[position : match.start()])
        position = match.end()
    parts.append(text[position:])
    while most == 0 and len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def _replacement(text: str) -> Callable[[re.Match[str]], str]:
    def expand(match: re.Match[str]) -> str:
        def one(found: re.Match[str]) -> str:
            if found.group(1):
                return found.group(1)
            key = found.group(2) or found.group(3)
            return match.group(int(key) if key.isdigit() else key) or ""

        return re.sub(r"\\(.)|\$(\d)|\$\{(\w+)\}", one, text)

    return expand


def _replace_all(text: str, regex: str, replacement: str) -> str:
    return pattern(regex).sub(_replacement(replacement), text)


def _replace_first(text: str, regex: str, replacement: str) -> str:
    return pattern(regex).sub(_replacement(replacement), text, count=1)


def _repeat(text: str, times: object) -> str:
    count = _index(times)
    if not 0 <= count * len(text) <= _MAX_REPEAT:
        raise IndexError(f"count {count}")
    return text * count


_FORMAT = re.compile(r"%(?:%|n|([-+0]*)(\d{0,3})(\.\d{1,2})?([sdfxXbc]))")


def _format(template: str, *args: object) -> str:
    """Fill a `String.format` template: %s %d %f %x %b %c %n %%, with width and precision."""
    left = list(args)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, letter = match.groups()
        if letter is None:
            return "\n" if match.group() == "%n" else "%"
        if not left:
            raise IndexError(f"no argument for {match.group()}")
        return f"%{flags}{width}{precision or ''}{'s' if letter in 'bc' else letter}" % (
            _format_argument(letter, left.pop(0)),
        )

    return _FORMAT.sub(one, template)


def _format_argument(letter: str, value: object) -> object:
    if letter in "dxX":
        return int(number(value))
    return float(number(value)) if letter == "f" else to_text(value)


def _find(text: str, part: object, start: object = 0) -> int:
    return text.find(to_text(part), max(0, _index(start)))


_STRING: Mapping[str, Method] = {
    "charAt": _char_at,
    "compareTo": lambda s, o: (s > to_text(o)) - (s < to_text(o)),
    "concat": lambda s, o: s + to_text(o),
    "contains": lambda s, o: to_text(o) in s,
    "endsWith": lambda s, o: s.endswith(to_text(o)),
    "equalsIgnoreCase": lambda s, o: o is not None and s.lower() == to_text(o).lower(),
    "format": _format,
    "indexOf": _find,
    "isBlank": lambda s: not s.strip(),
    "isEmpty": lambda s: not s,
    "lastIndexOf": lambda s, o: s.rfind(to_text(o)),
    "length": len,
    "matches": lambda s, regex: pattern(regex).fullmatch(s) is not None,
    "repeat": _repeat,
    "replace": lambda s, old, new: s.replace(to_text(old), to_text(new)),
    "replaceAll": _replace_all,
    "replaceFirst": _replace_first,
    "size": len,
    "split": _split,
    "startsWith": lambda s, o: s.startswith(to_text(o)),
    "strip": lambda s: s.strip(),
    "substring": _substring,
    "toLowerCase": lambda s: s.lower(),
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip(),
}


def _item(items: Sequence[object], index: object) -> object:
    at = _index(index)
    if not 0 <= at < len(items):
        raise IndexError(f"index {at}, size {len(items)}")
    return items[at]


def _position(items: Sequence[object], wanted: object) -> int:
    return next((at for at, item in enumerate(items) if equals(item, wanted)), -1)


def _sub_list(items: Sequence[object], begin: object, end: object) -> list[object]:
    start, stop = _index(begin), _index(end)
    if not 0 <= start <= stop <= len(items):
        raise IndexError(f"begin {start}, end {stop}, size {len(items)}")
    return list(items[start:stop])


_LIST: Mapping[str, Method] = {
    "contains": lambda items, o: _position(items, o) >= 0,
    "containsAll": lambda items, others: all(_position(items, o) >= 0 for o in others),
    "get": _item,
    "indexOf": _position,
    "isEmpty": lambda items: not items,
    "join": lambda items, separator: to_text(separator).join(map(to_text, items)),
    "length": len,
    "size": len,
    "subList": _sub_list,
}

_MAP: Mapping[str, Method] = {
    "containsKey": lambda m, key: to_text(key) in m,
    "containsValue": lambda m, value: _position(list(m.values()), value) >= 0,
    "get": lambda m, key: m.get(to_text(key)),
    "getOrDefault": lambda m, key, default: m.get(to_text(key), default),
    "isEmpty": lambda m: not m,
    "keySet": list,
    "length": len,
    "size": len,
    "values": lambda m: list(m.values()),
}

_NUMBER: Mapping[str, Method] = {
    "compareTo": lambda n, o: (n > number(o)) - (n < number(o)),
    "doubleValue": float,
    "intValue": int,
    "longValue": int,
}

_ANY: Mapping[str, Method] = {
    "equals": lambda value, o: type(value) is type(o) and value == o,
    "toString": to_text,
}
