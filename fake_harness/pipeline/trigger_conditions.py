"""The operators of trigger conditions; pure text.

Source: harness-core `ConditionEvaluator`. Unverified: `Regex` must match the whole text.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fake_harness.pipeline.jexl.arithmetic import pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`key operator value`; `key` is an expression or a special word."""

    key: str
    operator: str
    value: str


def holds(condition: Condition, text: str) -> bool:
    """True when `text` meets the condition.

    Raises:
        ExpressionError: the value of a `Regex` condition is no pattern.
    """
    return OPERATORS[condition.operator](text, condition.value)


def holds_for_files(condition: Condition, files: Iterable[str]) -> bool:
    """True when some file meets a positive condition, or all meet a negative one."""
    if condition.operator in _NEGATIVE:
        return all(holds(condition, name) for name in files)
    return any(holds(condition, name) for name in files)


def _members(value: str) -> list[str]:
    quoted = re.sub(r"\s*,\s*", ",", value.strip())
    return [item.strip() for row in csv.reader([quoted]) for item in row]


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "Equals": lambda text, value: text == value,
    "NotEquals": lambda text, value: text != value,
    "In": lambda text, value: text in _members(value),
    "NotIn": lambda text, value: text not in _members(value),
    "Contains": lambda text, value: value in text,
    "DoesNotContain": lambda text, value: value not in text,
    "StartsWith": lambda text, value: text.startswith(value),
    "EndsWith": lambda text, value: text.endswith(value),
    "Regex": lambda text, value: pattern(value).fullmatch(text) is not None,
}
_NEGATIVE = frozenset({"NotEquals", "NotIn", "DoesNotContain"})
