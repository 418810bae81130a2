"""Cut an expression into tokens; it does not know the grammar."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from fake_harness.pipeline.jexl.errors import ExpressionError
from fake_harness.pipeline.jexl.scan import OPEN, find_end


class Kind(Enum):
    """What a token is."""

    NUMBER = auto()
    TEXT = auto()
    NAME = auto()
    NESTED = auto()
    MARK = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `glued`: no blank stands between it and the token before."""

    kind: Kind
    text: str
    position: int
    glued: bool


_BLANK = re.compile(r"\s+")
_NUMBER = re.compile(r"(?:\d{1,40}\.\d{1,40}|\d{1,40})(?:[eE][-+]?\d{1,3})?[lLdDfFbBhH]?(?![\w$])")
_NAME = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@]*")
_GLUED_NAME = re.compile(r"[A-Za-z0-9_$@]+")
_MARK = re.compile(
    r"&&|\|\||==|!=|<=|>=|=~|!~|=\^|!\^|=\$|!\$|\?:|\?\?|\?\.|[-+*/%<>!?:.,()\[\]{}]"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


def tokenize(source: str, reads: Callable[[str], bool]) -> list[Token]:
    """Return the tokens of `source`, an END token last.

    Raises:
        ExpressionError: a character that starts no token, an unclosed string or `<+`.
    """
    tokens: list[Token] = []
    position = 0
    glued = False
    while position < len(source):
        blank = _BLANK.match(source, position)
        if blank:
            position, glued = blank.end(), False
            continue
        token, end = _next(source, position, tokens, glued=glued, reads=reads)
        tokens.append(token)
        position, glued = end, True
    tokens.append(Token(Kind.END, "", len(source), glued))
    return tokens


def _next(
    source: str,
    position: int,
    before: list[Token],
    *,
    glued: bool,
    reads: Callable[[str], bool],
) -> tuple[Token, int]:
    if source.startswith(OPEN, position):
        end = find_end(source, position, reads)
        if end is None:
            raise ExpressionError("a nested `<+` is never closed", expression=source)
        return Token(Kind.NESTED, source[position + 2 : end], position, glued), end + 1
    if source[position] in "\"'`":
        return _string(source, position, glued=glued)
    after_nested = bool(glued and before and before[-1].kind is Kind.NESTED)
    patterns = [(Kind.NUMBER, _NUMBER), (Kind.NAME, _NAME), (Kind.MARK, _MARK)]
    if after_nested:
        patterns.insert(0, (Kind.NAME, _GLUED_NAME))
    for kind, pattern in patterns:
        match = pattern.match(source, position)
        if match:
            return Token(kind, match.group(), position, glued), match.end()
    raise ExpressionError(
        f"unexpected {source[position]!r} at position {position + 1}",
        expression=source,
        hint=_hint(source[position]),
    )


def _hint(char: str) -> str:
    return {
        "=": 'Compare with `==`: `<+a> == "x"`.',
        "&": "Write `&&` for and.",
        "|": "Write `||` for or.",
        "#": 'Put text in quotes: `"#"`.',
    }.get(char, "")


def _string(source: str, start: int, *, glued: bool) -> tuple[Token, int]:
    quote = source[start]
    out: list[str] = []
    index = start + 1
    while index < len(source):
        char = source[index]
        if char == quote:
            return Token(Kind.TEXT, "".join(out), start, glued), index + 1
        if char == "\\" and index + 1 < len(source):
            index += 1
            out.append(_escape(source[index], quote))
        else:
            out.append(char)
        index += 1
    raise ExpressionError(
        f"the string that starts at position {start + 1} is never closed", expression=source
    )


def _escape(char: str, quote: str) -> str:
    if char in {quote, "\\", '"', "'"}:
        return char
    # An unknown escape keeps its backslash: regular expressions are written in strings.
    return _ESCAPES.get(char, "\\" + char)
