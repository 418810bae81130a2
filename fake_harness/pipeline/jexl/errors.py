"""What can go wrong with an expression."""

from fake_harness.errors import HarnessError


class ExpressionError(HarnessError):
    """An expression that cannot be read or evaluated; names it and says how to mend it."""

    def __init__(self, message: str, *, expression: str | None = None, hint: str = "") -> None:
        named = expression is not None
        text = f"Invalid expression {_quoted(expression or '')}: {message}" if named else message
        super().__init__("INVALID_REQUEST", f"{text}. {hint}" if hint else text)
        self.reason = message
        self.expression = expression
        self.hint = hint


class UnresolvedExpressionError(ExpressionError):
    """An expression that names something which does not exist (yet)."""


def _quoted(expression: str) -> str:
    text = expression if expression.startswith("<+") else f"<+{expression}>"
    return text if len(text) <= 300 else text[:300] + "…"
