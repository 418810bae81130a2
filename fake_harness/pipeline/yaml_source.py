"""Read YAML text with the line of every path; it does not know what a pipeline is.

A YAML 1.1 loader with three departures that follow Harness: no timestamps, duplicate keys
are refused, and a number with a leading zero (`account: 000000000000`) stays text.
Source: harness-core `validateYaml` (duplicate keys), Jackson's YAML scalar rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fake_harness.errors import SchemaProblem, YamlInvalidError

_MAX_NODES = 200_000
_MERGE_TAG = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed YAML document: plain JSON-like `data`, and where each path stands."""

    data: object
    text: str
    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, path: str) -> int | None:
        """Return the 1-based line of `path`, or of its nearest known parent."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = parent_path(path)
        return self.lines.get("")

    def root(self, key: str) -> Mapping[str, object]:
        """Return the mapping under the top-level `key`.

        Raises:
            YamlInvalidError: the document has no such mapping.
        """
        top = self.data if isinstance(self.data, Mapping) else {}
        value = top.get(key)
        if isinstance(value, Mapping):
            return value
        found = ", ".join(map(str, top)) or "nothing"
        problem = SchemaProblem(
            message=f"expected a mapping under `{key}:` at the top level, found {found}",
            yaml_path=key,
            line=self.line(key),
            source="schema",
        )
        raise YamlInvalidError((problem,))


def parent_path(path: str) -> str:
    """Return the path one level up: `a.b[0]` → `a.b` → `a` → the empty path."""
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut] if cut > 0 else ""


def load_yaml(text: str, *, file: str = "") -> Document:
    """Parse `text`.

    Raises:
        YamlInvalidError: malformed YAML, a duplicate key, or more than one document.
    """
    try:
        data, lines = _read(text)
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from error
    except RecursionError as error:
        raise _refusal("the document is nested too deeply", "", None) from error
    except yaml.reader.ReaderError as error:
        message = f"a character that YAML does not allow (#x{ord(str(error.character)):04x})"
        raise _refusal(message, "", text.count("\n", 0, error.position) + 1) from error
    return Document(data=data, text=text, file=file, lines=lines)


def _read(text: str) -> tuple[object, dict[str, int]]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise _refusal("the document is empty", "", 1)
        _check(node)
        data = loader.construct_document(node)
        lines: dict[str, int] = {}
        _locate(node, "", lines)
    finally:
        loader.dispose()
    return data, lines


def dump_yaml(data: object) -> str:
    """Write `data` as YAML that people can read: key order kept, long text as blocks."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """The YAML 1.1 loader described in the module's docstring."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[str, object]:  # type: ignore[override] # noqa: FBT001, FBT002
        """Build a mapping whose keys are the text that was written."""
        self.flatten_mapping(node)
        return {
            str(key.value): self.construct_object(value, deep=deep) for key, value in node.value
        }


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines in block style and never writes aliases."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _narrow_resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    dropped = {f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float", "value")}
    kept = {
        first: [(tag, pattern) for tag, pattern in pairs if tag not in dropped]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    whole = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$")
    real = re.compile(
        r"^(?:[-+]?(?:0|[1-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    )
    for first in "-+0123456789":
        kept.setdefault(first, []).append(("tag:yaml.org,2002:int", whole))
    for first in "-+0123456789.":
        kept.setdefault(first, []).append(("tag:yaml.org,2002:float", real))
    return kept


_Loader.yaml_implicit_resolvers = _narrow_resolvers()
_Dumper.add_representer(str, _represent_text)


def _check(root: Node) -> None:
    """Refuse duplicate keys, keys that are not scalars, recursion and alias bombs."""
    seen = 0
    open_nodes: set[int] = set()

    def walk(node: Node, path: str) -> None:
        nonlocal seen
        seen += 1
        if seen > _MAX_NODES:
            raise _refusal(f"more than {_MAX_NODES} nodes once aliases are expanded", path, None)
        if id(node) in open_nodes:
            raise _refusal("an alias that contains itself", path, _line(node))
        open_nodes.add(id(node))
        if isinstance(node, MappingNode):
            _check_keys(node, path)
            for key, value in node.value:
                walk(value, join(path, str(key.value)))
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                walk(item, f"{path}[{index}]")
        open_nodes.discard(id(node))

    walk(root, "")


def _check_keys(node: MappingNode, path: str) -> None:
    first_line: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            raise _refusal("a key must be plain text", path, _line(key))
        if key.tag == _MERGE_TAG:
            continue
        name = str(key.value)
        if name in first_line:
            message = f"duplicate key {name!r} (first on line {first_line[name]})"
            raise _refusal(message, join(path, name), _line(key), hint="Keep one of the two.")
        first_line[name] = _line(key)


def join(path: str, key: str) -> str:
    """Return the path of `key` under `path`."""
    return f"{path}.{key}" if path else key


def _locate(node: Node, path: str, lines: dict[str, int]) -> None:
    lines.setdefault(path, _line(node))
    if isinstance(node, MappingNode):
        for key, value in node.value:
            child = join(path, str(key.value))
            lines[child] = _line(key)
            _locate(value, child, lines)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _locate(item, f"{path}[{index}]", lines)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _malformed(error: yaml.MarkedYAMLError) -> YamlInvalidError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    column = mark.column + 1 if mark else None
    what = error.problem or "it cannot be read"
    context = f" {error.context}" if error.context else ""
    message = f"not valid YAML at line {line}, column {column}: {what}{context}"
    return _refusal(message, "", line, hint=_hint(what))


def _hint(what: str) -> str:
    for words, hint in _HINTS:
        if words in what:
            return hint
    return "Check the indentation and the quotes around this line."


_HINTS = (
    ("\\t", "Indent with spaces: YAML does not allow tabs."),
    ("mapping values are not allowed", "Put quotes around a value that contains `: `."),
    ("could not find expected ':'", "A key here lacks its `:`, or the indentation is off."),
    ("expected <block end>", "A line here is indented differently from its neighbours."),
    ("undefined alias", "Define the anchor (`&name`) before the alias (`*name`), or quote `*`."),
    ("expected a single document", "Put each document in its own file (no second `---`)."),
    ("cannot start any token", "Put quotes around a value that starts with this character."),
    ("unexpected end of stream", "A quote that was opened above is never closed."),
)


def _refusal(message: str, path: str, line: int | None, *, hint: str = "") -> YamlInvalidError:
    problem = SchemaProblem(
        message=message, yaml_path=path or "(document)", line=line, source="schema", hint=hint
    )
    return YamlInvalidError((problem,))
