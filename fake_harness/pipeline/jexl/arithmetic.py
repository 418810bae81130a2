"""JEXL's lenient arithmetic and comparison on JSON values; it resolves no names.

Source: Apache Commons JEXL 3, `JexlArithmetic` with `strict = false`: null counts as 0 or
the empty text, two strings concatenate, a string that looks like a number is one.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence

from fake_harness.pipeline.jexl.errors import ExpressionError

Number = int | float


def to_text(value: object) -> str:
    """Return `value` as it appears inside text: Java's spelling for scalars, else JSON."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, Mapping | Sequence):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    return str(value)


def _float_text(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if math.isnan(value):
        return "NaN"
    text = repr(value)
    if "e" in text:
        digits, power = text.split("e")
        return f"{digits if '.' in digits else digits + '.0'}E{int(power)}"
    return text


def truth(value: object) -> bool:
    """Return `value` as a condition: empty text, `"false"`, 0 and null are false."""
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value != 0 and not math.isnan(value)
    if isinstance(value, str):
        return value not in {"", "false"}
    return True


def number(value: object) -> Number:
    """Return `value` as a number.

    Raises:
        ExpressionError: it is text that is no number, a list or a map.
    """
    if value is None:
        return 0
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _parsed(value)
    raise ExpressionError(f"{_kind(value)} is not a number")


def _parsed(text: str) -> Number:
    stripped = text.strip()
    if not stripped:
        return 0
    if re.fullmatch(r"[-+]?\d{1,400}", stripped):
        return int(stripped)
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", stripped):
        return float(stripped)
    raise ExpressionError(f"{text!r} is not a number")


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a map"
    return "a list" if isinstance(value, Sequence) else type(value).__name__


def add(left: object, right: object) -> object:
    """Add numbers, or join text when either side is text that is no number."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    try:
        return number(left) + number(right)
    except ExpressionError:
        return _joined(left) + _joined(right)


def _joined(value: object) -> str:
    return "" if value is None else to_text(value)


def divide(left: object, right: object) -> Number:
    """Divide; two whole numbers give a whole number, cut towards zero, as in Java."""
    a, b = number(left), number(right)
    if b == 0:
        raise ExpressionError("division by zero")
    if isinstance(a, int) and isinstance(b, int):
        whole = abs(a) // abs(b)
        return whole if (a < 0) == (b < 0) else -whole
    return a / b


def remainder(left: object, right: object) -> Number:
    """Return the remainder, with the sign of `left`, as in Java."""
    a, b = number(left), number(right)
    if b == 0:
        raise ExpressionError("division by zero")
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) % abs(b) * (-1 if a < 0 else 1)
    return math.fmod(a, b)


def equals(left: object, right: object) -> bool:
    """Compare with JEXL's coercions: numbers first, then booleans, then text."""
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        return truth(left) == truth(right)
    if isinstance(left, int | float) or isinstance(right, int | float):
        try:
            return number(left) == number(right)
        except ExpressionError:
            return False
    if isinstance(left, str) or isinstance(right, str):
        return to_text(left) == to_text(right)
    return left == right


def _ordered(compare: Callable[[int], bool], *, on_equal: bool) -> Callable[..., bool]:
    def operation(left: object, right: object) -> bool:
        if left is None or right is None:
            return on_equal and left is right
        return compare(_order(left, right))

    return operation


def _order(left: object, right: object) -> int:
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    a, b = number(left), number(right)
    return (a > b) - (a < b)


def _matches(left: object, right: object) -> bool:
    """`left =~ right`: `right` is a pattern for the whole text, or a container of `left`."""
    if isinstance(right, str):
        return left is not None and pattern(right).fullmatch(to_text(left)) is not None
    if isinstance(right, Mapping):
        return to_text(left) in right
    if isinstance(right, Sequence):
        return any(equals(left, item) for item in right)
    return equals(left, right)


def pattern(text: str) -> re.Pattern[str]:
    """Compile a Java pattern: named groups and possessive marks are translated.

    Raises:
        ExpressionError: it is not a pattern.
    """
    try:
        return re.compile(
            text.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
        )
    except re.error as error:
        raise ExpressionError(f"{text!r} is not a regular expression: {error}") from error


def _starts(left: object, right: object) -> bool:
    return left is not None and to_text(left).startswith(to_text(right))


def _ends(left: object, right: object) -> bool:
    return left is not None and to_text(left).endswith(to_text(right))


OPERATORS: Mapping[str, Callable[[object, object], object]] = {
    "+": add,
    "-": lambda a, b: number(a) - number(b),
    "*": lambda a, b: number(a) * number(b),
    "/": divide,
    "%": remainder,
    "==": equals,
    "!=": lambda a, b: not equals(a, b),
    "<": _ordered(lambda order: order < 0, on_equal=False),
    ">": _ordered(lambda order: order > 0, on_equal=False),
    "<=": _ordered(lambda order: order <= 0, on_equal=True),
    ">=": _ordered(lambda order: order >= 0, on_equal=True),
    "=~": _matches,
    "!~": lambda a, b: not _matches(a, b),
    "=^": _starts,
    "!^": lambda a, b: not _starts(a, b),
    "=$": _ends,
    "!$": lambda a, b: not _ends(a, b),
}
