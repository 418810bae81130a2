"""The validators of one runtime input and the check of a value against them.

Source: Harness docs, "Fixed values, runtime inputs, and expressions".
"""

import re
from dataclasses import dataclass

_NAMES = "allowedValues|selectOneFrom|selectManyFrom|regex|default|executionInput"
_CALL = re.compile(rf"\.({_NAMES})\(")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What `<+input>.allowedValues(a,b).default(a)` asks for."""

    text: str
    one_of: tuple[str, ...] = ()
    many_of: tuple[str, ...] = ()
    regex: str | None = None
    default: str | None = None
    at_execution: bool = False

    def fault(self, value: object) -> str:
        """Return what is wrong with `value`, else empty text; expressions always pass."""
        if isinstance(value, str) and "<+" in value:
            return ""
        items = [_text(item) for item in (value if isinstance(value, list) else [value])]
        if self.many_of:
            items = [part.strip() for item in items for part in item.split(",")]
        for item in items:
            fault = self._item_fault(item)
            if fault:
                return fault
        return ""

    def _item_fault(self, item: str) -> str:
        for allowed in (self.one_of, self.many_of):
            if allowed and item not in allowed:
                return f"{item!r} is not one of {', '.join(allowed)}"
        if self.regex is not None and re.fullmatch(self.regex, item) is None:
            return f"{item!r} does not match {self.regex}"
        return ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def is_input(value: object) -> bool:
    """True for text that is a runtime input."""
    return isinstance(value, str) and value.strip().startswith("<+input>")


def parse_input(text: str) -> InputSpec:
    """Read a runtime input.

    Raises:
        ValueError: something other than the known validators follows `<+input>`.
    """
    stripped = text.strip()
    rest = stripped.removeprefix("<+input>")
    calls: dict[str, str] = {}
    while rest:
        match = _CALL.match(rest)
        if match is None:
            message = f"{text!r}: after <+input> only validators may follow, found {rest!r}"
            raise ValueError(message)
        end = _close(rest, match.end())
        calls[match.group(1)] = rest[match.end() : end]
        rest = rest[end + 1 :]
    return InputSpec(
        text=stripped,
        one_of=_split(calls.get("allowedValues", "")) or _split(calls.get("selectOneFrom", "")),
        many_of=_split(calls.get("selectManyFrom", "")),
        regex=_checked_regex(calls.get("regex")),
        default=_unquoted(calls["default"]) if "default" in calls else None,
        at_execution="executionInput" in calls,
    )


def _checked_regex(regex: str | None) -> str | None:
    if regex is not None:
        try:
            re.compile(regex)
        except re.error as error:
            message = f"{regex!r} is not a regular expression: {error}"
            raise ValueError(message) from error
    return regex


def _close(text: str, position: int) -> int:
    """Return the index of the `)` that ends a validator: nothing or another one follows it."""
    for index in range(position, len(text)):
        if text[index] == ")" and (index + 1 == len(text) or _CALL.match(text, index + 1)):
            return index
    message = f"{text!r}: a validator lacks its closing parenthesis"
    raise ValueError(message)


def _split(text: str) -> tuple[str, ...]:
    parts = re.findall(r"'[^']*'|\"[^\"]*\"|[^,]+", text)
    return tuple(_unquoted(part) for part in parts if part.strip())


def _unquoted(text: str) -> str:
    stripped = text.strip()
    quoted = len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "'\""
    return stripped[1:-1] if quoted else stripped
