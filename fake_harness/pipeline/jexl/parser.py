"""Read tokens into a tree, by precedence climbing; it evaluates nothing."""

from functools import lru_cache

from fake_harness.pipeline.jexl.ast import (
    Binary,
    Call,
    Index,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Nested,
    Node,
    Ref,
    Ternary,
    Text,
    Unary,
)
from fake_harness.pipeline.jexl.errors import ExpressionError
from fake_harness.pipeline.jexl.lexer import Kind, Token, tokenize
from fake_harness.pipeline.jexl.scan import OPEN

_WORDS = {
    "and": "&&",
    "or": "||",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "gt": ">",
    "le": "<=",
    "ge": ">=",
    "div": "/",
    "mod": "%",
}
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!=", "=~", "!~", "=^", "!^", "=$", "!$"}),
    frozenset({"<", ">", "<=", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None}
_FUNCTIONS = frozenset({"empty", "size"})
_MAX_DEPTH = 30
_MAX_NESTED = 100


@lru_cache(maxsize=4096)
def parse(source: str) -> Node:
    """Return the tree of `source`.

    Raises:
        ExpressionError: `source` is not an expression of the supported subset.
    """
    if source.count(OPEN) > _MAX_NESTED:
        raise ExpressionError(f"more than {_MAX_NESTED} nested expressions", expression=source)
    return _Parser(source).whole()


def reads(source: str) -> bool:
    """True when `source` reads as one expression."""
    try:
        parse(source)
    except (ExpressionError, RecursionError):
        return False
    return True


class _Parser:
    """The state of one reading: the tokens and how far it got."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokenize(source, reads)
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            raise self._error("it is empty")
        node = self._expression()
        if self._at < len(self._tokens) - 1:
            raise self._error(f"unexpected {self._token.text!r}")
        return node

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"nested deeper than {_MAX_DEPTH} levels")
        node = self._binary(0)
        if self._take("?"):
            then = self._expression()
            self._expect(":")
            node = Ternary(node, then, self._expression())
        elif self._token.text in {"?:", "??"} and self._token.kind is Kind.MARK:
            operator = self._advance().text
            node = Binary(operator, node, self._expression())
        self._depth -= 1
        return node

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while (operator := self._operator(level)) is not None:
            self._advance()
            node = Binary(operator, node, self._binary(level + 1))
        return node

    def _operator(self, level: int) -> str | None:
        token = self._token
        text = _WORDS.get(token.text, "") if token.kind is Kind.NAME else token.text
        if token.kind in {Kind.MARK, Kind.NAME} and text in _LEVELS[level]:
            return text
        return None

    def _unary(self) -> Node:
        token = self._token
        if token.kind is Kind.MARK and token.text in {"!", "-", "+"}:
            self._advance()
            operand = self._unary_operand()
            return operand if token.text == "+" else Unary(token.text, operand)
        if token.kind is Kind.NAME and token.text == "not":
            self._advance()
            return Unary("!", self._unary_operand())
        return self._postfix(self._primary())

    def _unary_operand(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"nested deeper than {_MAX_DEPTH} levels")
        node = self._unary()
        self._depth -= 1
        return node

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._take(".") or self._take("?."):
                node = self._member(node)
            elif self._token.text == "[" and self._token.kind is Kind.MARK:
                self._advance()
                node = Index(node, self._expression())
                self._expect("]")
            else:
                return node

    def _member(self, target: Node) -> Node:
        if self._token.kind is Kind.NUMBER and self._token.text.isdigit():
            return Index(target, Literal(int(self._advance().text)))
        name = self._name()
        if self._token.text == "(" and self._token.kind is Kind.MARK:
            if len(name.parts) != 1 or not isinstance(name.parts[0], str):
                raise self._error("a method's name cannot contain `<+...>`")
            return Call(target, name.parts[0], self._arguments())
        return Member(target, name)

    def _primary(self) -> Node:
        token = self._token
        if token.kind is Kind.NUMBER:
            return Literal(_number(self._advance().text))
        if token.kind is Kind.TEXT:
            return Text(self._advance().text)
        if token.kind in {Kind.NAME, Kind.NESTED}:
            return self._name_or_nested()
        if self._take("("):
            node = self._expression()
            self._expect(")")
            return node
        if self._take("["):
            return ListOf(self._items("]"))
        if self._take("{"):
            return self._map()
        what = "it ends too early" if token.kind is Kind.END else f"unexpected {token.text!r}"
        raise self._error(what)

    def _name_or_nested(self) -> Node:
        token = self._token
        if token.kind is Kind.NAME and token.text in _CONSTANTS:
            return Literal(_CONSTANTS[self._advance().text])
        name = self._name()
        first = name.parts[0]
        if len(name.parts) == 1 and isinstance(first, Nested):
            return first
        if self._token.text == "(" and self._token.kind is Kind.MARK:
            if first not in _FUNCTIONS or len(name.parts) != 1:
                raise self._error(f"unknown function {token.text!r}")
            return Call(None, token.text, self._arguments())
        return Ref(name)

    def _name(self) -> Name:
        parts: list[str | Nested] = []
        while self._token.kind in {Kind.NAME, Kind.NESTED} and (not parts or self._token.glued):
            token = self._advance()
            parts.append(
                token.text
                if token.kind is Kind.NAME
                else Nested(f"<+{token.text}>", parse(token.text))
            )
        if not parts:
            raise self._error(f"expected a name, found {self._token.text or 'the end'!r}")
        return Name(tuple(parts))

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        return self._items(")")

    def _items(self, close: str) -> tuple[Node, ...]:
        items: list[Node] = []
        if self._take(close):
            return ()
        while True:
            items.append(self._expression())
            if self._take(close):
                return tuple(items)
            self._expect(",")

    def _map(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        if self._take("}"):
            return MapOf(())
        while True:
            key = self._binary(0)
            self._expect(":")
            entries.append((key, self._expression()))
            if self._take("}"):
                return MapOf(tuple(entries))
            self._expect(",")

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, mark: str) -> bool:
        if self._token.kind is Kind.MARK and self._token.text == mark:
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            found = self._token.text or "the end"
            raise self._error(f"expected `{mark}`, found {found!r}")

    def _error(self, message: str) -> ExpressionError:
        position = self._token.position + 1
        return ExpressionError(f"{message} (position {position})", expression=self._source)


def _number(text: str) -> int | float:
    digits = text.rstrip("lLdDfFbBhH")
    if any(mark in digits for mark in ".eE") or text[-1] in "dDfF":
        return float(digits)
    return int(digits)
