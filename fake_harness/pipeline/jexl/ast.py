"""The tree of an expression; data only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, boolean or null."""

    value: object


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string; it may contain `<+...>`, which is resolved when evaluated."""

    value: str


@dataclass(frozen=True, slots=True)
class Nested:
    """A `<+...>` inside an expression; its value takes part with its type."""

    source: str
    body: "Node"


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier, possibly built with nested expressions (`var_<+matrix.env>`)."""

    parts: tuple["str | Nested", ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """The root of a path: `pipeline`, `steps`, `secrets`."""

    name: Name


@dataclass(frozen=True, slots=True)
class Member:
    """`target.name`."""

    target: "Node"
    name: Name


@dataclass(frozen=True, slots=True)
class Index:
    """`target[key]`."""

    target: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """`target.method(args)`; `target` is None for `empty(x)` and `size(x)`."""

    target: "Node | None"
    method: str
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`!x` or `-x`."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Ternary:
    """`condition ? then : otherwise`."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{"a": 1}`."""

    entries: tuple[tuple["Node", "Node"], ...]


Node = (
    Literal
    | Text
    | Nested
    | Ref
    | Member
    | Index
    | Call
    | Unary
    | Binary
    | Ternary
    | ListOf
    | MapOf
)
