"""Resolve `<+...>` in JSON values; the scope tells what names mean.

`render` walks a value, `evaluate` takes one expression, `evaluate_condition` a `when` text.
Found text that contains `<+...>` itself is resolved in turn, up to 15 levels deep, unless it
is `RawText`. Source: harness-core `EngineExpressionEvaluator` (depth 15, size 256 KB).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fake_harness.pipeline.jexl.arithmetic import to_text
from fake_harness.pipeline.jexl.errors import ExpressionError, UnresolvedExpressionError
from fake_harness.pipeline.jexl.evaluator import Evaluator, Functor, RawText, Scope
from fake_harness.pipeline.jexl.parser import parse, reads
from fake_harness.pipeline.jexl.scan import Piece, split

__all__ = [
    "ExpressionError",
    "Functor",
    "MappingScope",
    "RawText",
    "Scope",
    "Unresolved",
    "UnresolvedExpressionError",
    "as_raw",
    "evaluate",
    "evaluate_condition",
    "expressions_in",
    "has_expression",
    "render",
    "to_text",
]

Unresolved = Literal["error", "keep", "null"]
MAX_DEPTH = 15
MAX_SIZE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class MappingScope:
    """A scope over a plain mapping."""

    roots: Mapping[str, object]

    def resolve(self, name: str) -> object:
        """Return the root `name`; KeyError when it is unknown."""
        return self.roots[name]

    def names(self) -> list[str]:
        """Return the known roots."""
        return list(self.roots)


def as_raw(value: object) -> object:
    """Return `value` with every string as `RawText`: data from outside (payloads, outputs)."""
    if isinstance(value, str):
        return RawText(value)
    if isinstance(value, Mapping):
        return {key: as_raw(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [as_raw(item) for item in value]
    return value


def has_expression(value: object) -> bool:
    """True when `value` is, or contains, text with `<+`."""
    if isinstance(value, str):
        return "<+" in value
    if isinstance(value, Mapping):
        return any(has_expression(item) for item in value.values())
    return isinstance(value, Sequence) and any(has_expression(item) for item in value)


def expressions_in(text: str) -> list[str]:
    """Return the inside of each outermost `<+...>` of `text`."""
    return [piece.text for piece in split(text, reads) if piece.is_expression]


def render(value: object, scope: Scope, *, unresolved: Unresolved = "error") -> object:
    """Return `value` with every `<+...>` resolved; mappings and lists are walked.

    A string that is one whole expression keeps the type of its value.

    Args:
        value: JSON.
        scope: what root names mean.
        unresolved: for a name that does not exist: raise, keep the text, or put null.

    Raises:
        ExpressionError: an expression cannot be read, evaluated or (with `error`) resolved.
    """
    return _Renderer(scope, unresolved).walk(value)


def evaluate(text: str, scope: Scope) -> object:
    """Return the value of one expression, with or without its `<+ >`.

    Raises:
        ExpressionError: it cannot be read, evaluated or resolved.
    """
    return _Renderer(scope, "error").expression(text)


def evaluate_condition(text: str, scope: Scope) -> bool:
    """Return the verdict of a `when` condition or an assertion; what is unresolved is null.

    Source: harness-core evaluates `when` with RETURN_NULL_IF_UNRESOLVED; an unfilled
    `<+input>` counts as false.

    Raises:
        ExpressionError: it cannot be read, or its value is neither true nor false.
    """
    if not text.strip() or text.strip().startswith("<+input>"):
        return False
    value = _Renderer(scope, "null").expression(text)
    if value is None or value == "null":
        return False
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    raise ExpressionError(
        f"a condition must be true or false, this is {to_text(value)!r}",
        expression=text,
        hint='Compare with something: `<+a> == "x"`.',
    )


class _Renderer:
    """One rendering: what to do with the unresolved, and how deep it is."""

    def __init__(self, scope: Scope, unresolved: Unresolved) -> None:
        self._unresolved = unresolved
        self._depth = 0
        self._evaluator = Evaluator(scope, self._text, null_if_unknown=unresolved == "null")

    def walk(self, value: object) -> object:
        if isinstance(value, RawText):
            return value
        if isinstance(value, str):
            return self._text(value) if "<+" in value else value
        if isinstance(value, Mapping):
            return {self._key(key): self.walk(item) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return [self.walk(item) for item in value]
        return value

    def _key(self, key: object) -> str:
        text = str(key)
        return to_text(self._text(text)) if "<+" in text else text

    def expression(self, text: str) -> object:
        """Evaluate `text` as one expression; its nested `<+...>` take part with their types."""
        return self._evaluate(text)

    def _text(self, text: str) -> object:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"expressions refer to each other more than {MAX_DEPTH} levels deep"
            raise ExpressionError(message, expression=text, hint="Look for a circle.")
        try:
            pieces = split(text, reads)
            if len(pieces) == 1 and pieces[0].is_expression:
                return self._sized(self._piece(pieces[0]), text)
            joined = "".join(to_text(self._piece(piece)) for piece in pieces)
            return self._sized(joined, text)
        finally:
            self._depth -= 1

    def _piece(self, piece: Piece) -> object:
        if not piece.is_expression:
            return piece.text
        try:
            return self._evaluate(piece.text)
        except UnresolvedExpressionError:
            if self._unresolved == "keep":
                return f"<+{piece.text}>"
            raise

    def _evaluate(self, source: str) -> object:
        try:
            return self._evaluator.value(parse(source))
        except ExpressionError as error:
            raise _named(error, source) from error
        except (ArithmeticError, ValueError, RecursionError) as error:
            raise ExpressionError(f"it cannot be computed ({error})", expression=source) from error

    @staticmethod
    def _sized(value: object, text: str) -> object:
        if isinstance(value, str) and len(value.encode()) > MAX_SIZE_BYTES:
            message = f"its value is larger than {MAX_SIZE_BYTES // 1024} KB"
            raise ExpressionError(message, expression=text)
        return value


def _named(error: ExpressionError, source: str) -> ExpressionError:
    """Return `error` with the expression's text, unless an inner one is named already."""
    if error.expression is not None:
        return error
    return type(error)(error.reason, expression=source, hint=error.hint)
