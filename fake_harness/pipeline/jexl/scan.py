"""Find `<+...>` in text; it does not read what is inside.

`>` is both the closing mark and an operator. A `>` that follows a blank may be the operator
(`<+<+a> > 5>`): it is taken as such when a later `>` on the same line closes something that
reads as one expression.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPEN = "<+"


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text, or the inside of one `<+...>`."""

    text: str
    is_expression: bool


def split(text: str, reads: Callable[[str], bool]) -> list[Piece]:
    """Cut `text` into literal pieces and expressions; a `<+` that never closes is literal.

    Args:
        text: any text.
        reads: tells whether a candidate inside reads as an expression.
    """
    pieces: list[Piece] = []
    position = 0
    while True:
        start = text.find(OPEN, position)
        if start < 0:
            break
        end = find_end(text, start, reads)
        if end is None:
            break
        if start > position:
            pieces.append(Piece(text[position:start], is_expression=False))
        pieces.append(Piece(text[start + 2 : end], is_expression=True))
        position = end + 1
    if position < len(text):
        pieces.append(Piece(text[position:], is_expression=False))
    return pieces


def find_end(text: str, start: int, reads: Callable[[str], bool]) -> int | None:
    """Return the index of the `>` that closes the `<+` at `start`, None when none does."""
    doubtful: int | None = None
    for index in _closers(text, start + 2, honour_quotes=True):
        if text[start:index].count("\n") and doubtful is not None:
            break
        blank_before = index > start + 2 and text[index - 1].isspace()
        if not blank_before and doubtful is None:
            return index
        if doubtful is None:
            doubtful = index
        elif reads(text[start + 2 : index]):
            return index
    if doubtful is not None:
        return doubtful
    return next(_closers(text, start + 2, honour_quotes=False), None)


def _closers(text: str, position: int, *, honour_quotes: bool) -> Iterator[int]:
    """Yield each `>` from `position` on that is not inside a nested `<+...>` or a string."""
    depth = 0
    quote = ""
    index = position
    while index < len(text):
        char = text[index]
        if quote:
            if char == "\\":
                index += 1
            elif char == quote:
                quote = ""
        elif text.startswith(OPEN, index):
            depth += 1
            index += 1
        elif char == ">":
            if depth == 0:
                yield index
            else:
                depth -= 1
        elif honour_quotes and char in "\"'`":
            quote = char
        index += 1
