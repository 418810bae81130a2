"""Give an expression's tree its value in a scope; it knows no Harness names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol, runtime_checkable

from fake_harness.pipeline.jexl import arithmetic, methods
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
from fake_harness.pipeline.jexl.errors import ExpressionError, UnresolvedExpressionError


class Scope(Protocol):
    """Where root names come from. A scope may also have `names()` for better messages."""

    def resolve(self, name: str) -> object:
        """Return the value of the root identifier `name`; KeyError when it is unknown."""


@runtime_checkable
class Functor(Protocol):
    """A value whose methods are ours: `secrets`, `json`, `regex`."""

    def call(self, method: str, args: list[object]) -> object:
        """Call `method`.

        Raises:
            ExpressionError: it has no such method, or the arguments do not fit.
        """


class RawText(str):
    """Text from outside that is never searched for expressions (payloads, placeholders)."""

    __slots__ = ()


class Evaluator:
    """One evaluation: the scope, and how text found on the way is rendered again."""

    def __init__(
        self, scope: Scope, render_text: Callable[[str], object], *, null_if_unknown: bool = False
    ) -> None:
        """Take `render_text`, which resolves `<+...>` inside a string that was found."""
        self._scope = scope
        self._render_text = render_text
        self._null_if_unknown = null_if_unknown

    def value(self, node: Node) -> object:
        """Return the value of `node`.

        Raises:
            UnresolvedExpressionError: it names something that does not exist.
            ExpressionError: it cannot be evaluated.
        """
        if isinstance(node, Ref | Member | Index | Call):
            try:
                return self._call(node) if isinstance(node, Call) else self._target(node)
            except UnresolvedExpressionError:
                if self._null_if_unknown:
                    return None
                raise
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Text):
            return self._text(node.value)
        return self._compound(node)

    def _compound(self, node: Nested | ListOf | MapOf | Unary | Binary | Ternary) -> object:
        if isinstance(node, Nested):
            return self.value(node.body)
        if isinstance(node, ListOf):
            return [self.value(item) for item in node.items]
        if isinstance(node, MapOf):
            return {arithmetic.to_text(self.value(k)): self.value(v) for k, v in node.entries}
        return self._operation(node)

    def _operation(self, node: Unary | Binary | Ternary) -> object:
        if isinstance(node, Ternary):
            chosen = node.then if arithmetic.truth(self.value(node.condition)) else node.otherwise
            return self.value(chosen)
        if isinstance(node, Unary):
            operand = self.value(node.operand)
            return not arithmetic.truth(operand) if node.operator == "!" else self._minus(operand)
        if node.operator in {"&&", "||"}:
            left = arithmetic.truth(self.value(node.left))
            if left == (node.operator == "||"):
                return left
            return arithmetic.truth(self.value(node.right))
        if node.operator in {"?:", "??"}:
            return self._first_of(node)
        return self._compared(node)

    def _first_of(self, node: Binary) -> object:
        left = self._or_null(node.left)
        kept = left is not None if node.operator == "??" else arithmetic.truth(left)
        return left if kept else self.value(node.right)

    def _compared(self, node: Binary) -> object:
        against_null = _is_null(node.left) or _is_null(node.right)
        read = self._or_null if against_null else self.value
        return arithmetic.OPERATORS[node.operator](read(node.left), read(node.right))

    @staticmethod
    def _minus(operand: object) -> object:
        return -arithmetic.number(operand)

    def _or_null(self, node: Node) -> object:
        try:
            return self.value(node)
        except UnresolvedExpressionError:
            return None

    def _text(self, text: str) -> str:
        return arithmetic.to_text(self._render_text(text)) if "<+" in text else text

    def _found(self, value: object) -> object:
        if isinstance(value, str) and not isinstance(value, RawText) and "<+" in value:
            return self._render_text(value)
        return value

    def _path(self, node: Node) -> object:
        if isinstance(node, Ref):
            return self._root(self._name(node.name))
        if isinstance(node, Member):
            return self._member(self._target(node.target), self._name(node.name))
        if isinstance(node, Index):
            return self._item(self._target(node.target), self.value(node.key))
        return self.value(node)

    def _target(self, node: Node) -> object:
        return self._found(self._path(node))

    def _name(self, name: Name) -> str:
        return "".join(
            part if isinstance(part, str) else arithmetic.to_text(self.value(part))
            for part in name.parts
        )

    def _root(self, name: str) -> object:
        try:
            return self._scope.resolve(name)
        except KeyError:
            names = getattr(self._scope, "names", None)
            raise _unresolved(name, names() if callable(names) else ()) from None

    def _member(self, target: object, name: str) -> object:
        if isinstance(target, Mapping):
            return _lookup(target, name)
        if isinstance(target, Sequence) and name in {"length", "size"}:
            return len(target)
        if isinstance(target, Sequence) and not isinstance(target, str) and name.isdigit():
            return self._item(target, int(name))
        raise _unresolved(name, ())

    @staticmethod
    def _item(target: object, key: object) -> object:
        if isinstance(target, Mapping):
            return _lookup(target, arithmetic.to_text(key))
        if isinstance(target, Sequence):
            at = int(arithmetic.number(key))
            if 0 <= at < len(target):
                return target[at]
            raise UnresolvedExpressionError(f"there is no item {at}: it has {len(target)}")
        raise _unresolved(arithmetic.to_text(key), ())

    def _call(self, node: Call) -> object:
        if node.target is None:
            return self._function(node)
        target = self._target(node.target)
        args = [self.value(arg) for arg in node.args]
        if isinstance(target, Functor):
            return target.call(node.method, args)
        if target is None:
            raise UnresolvedExpressionError(f"{node.method}() is called on null")
        return methods.call(target, node.method, args)

    def _function(self, node: Call) -> object:
        if len(node.args) != 1:
            raise ExpressionError(f"{node.method}() takes one argument")
        value = self._or_null(node.args[0])
        size = len(value) if isinstance(value, Mapping | Sequence) else None
        if node.method == "size":
            return size or 0
        return size == 0 if size is not None else not arithmetic.truth(value)


def _is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def _lookup(target: Mapping[str, object], key: str) -> object:
    try:
        return target[key]
    except KeyError:
        raise _unresolved(key, target) from None


def _unresolved(name: str, known: Iterable[object]) -> UnresolvedExpressionError:
    keys = sorted({str(key) for key in known})
    near = get_close_matches(name, keys, n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]!r}?" if near else ""
    if not near and keys:
        hint = f"Known here: {', '.join(keys[:12])}{', …' if len(keys) > 12 else ''}."
    return UnresolvedExpressionError(f"{name!r} is unknown", hint=hint)
