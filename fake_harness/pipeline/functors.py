"""The functors that need nothing but their arguments: json, regex, xml, datetime, secrets.

A secret is never resolved here: `<+secrets.getValue("id")>` becomes a marker that the
delegate replaces and masks. Source: Harness expressions reference, "JSON and XML functors".
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from fake_harness.pipeline.jexl.arithmetic import pattern, to_text
from fake_harness.pipeline.jexl.errors import ExpressionError, UnresolvedExpressionError

SECRET_MARKER = re.compile(r"\$\{ngSecretManager\.obtain\(\"([^\"]+)\", (-?\d+)\)\}")
_SECRET_REF = re.compile(r"(?:(?:account|org)\.)?[A-Za-z_$][A-Za-z0-9_$-]*(?:\.[A-Za-z0-9_$-]+)*")


def secret_marker(reference: str) -> str:
    """Return the marker that stands for the secret `reference` (`id`, `org.id`, `account.id`)."""
    return f'${{ngSecretManager.obtain("{reference}", 0)}}'


def secret_references(value: object) -> Iterator[str]:
    """Yield the reference of each secret marker in a JSON value, repeats included."""
    if isinstance(value, str):
        for match in SECRET_MARKER.finditer(value):
            yield match.group(1)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from secret_references(key)
            yield from secret_references(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from secret_references(item)


def pure_functors(now: Callable[[], datetime]) -> dict[str, object]:
    """Return the functors by the root name under which expressions find them."""
    return {
        "json": JsonFunctor(),
        "regex": RegexFunctor(),
        "xml": XmlFunctor(),
        "datetime": DatetimeFunctor(now),
        "secrets": SecretsFunctor(),
    }


class _MethodTable:
    """A functor whose methods are listed in `_methods`."""

    _name: str
    _methods: Mapping[str, Callable[..., object]]

    def call(self, method: str, args: list[object]) -> object:
        """Call `method`; see `Functor`."""
        function = self._methods.get(method)
        if function is None:
            known = ", ".join(sorted(self._methods))
            message = f"{self._name} has no method {method!r}"
            raise ExpressionError(message, hint=f"It has: {known}.")
        try:
            return function(*args)
        except TypeError as error:
            raise ExpressionError(f"{self._name}.{method}: wrong arguments") from error


class SecretsFunctor(_MethodTable):
    """`<+secrets.getValue("id")>` → the marker of the secret."""

    _name = "secrets"

    def __init__(self) -> None:
        self._methods = {"getValue": self._value}

    @staticmethod
    def _value(reference: object) -> str:
        text = to_text(reference).strip()
        if not _SECRET_REF.fullmatch(text):
            raise ExpressionError(f"{text!r} is not the identifier of a secret")
        return secret_marker(text)


class ExportedVariablesFunctor(_MethodTable):
    """`<+exportedVariables.getValue("pipeline.alias.VAR")>` over what steps exported."""

    _name = "exportedVariables"

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._methods = {"getValue": self._value}

    def _value(self, key: object) -> object:
        text = to_text(key)
        if text in self._values:
            return self._values[text]
        known = ", ".join(sorted(self._values)) or "none"
        raise UnresolvedExpressionError(f"no exported variable {text!r}", hint=f"Known: {known}.")


class JsonFunctor(_MethodTable):
    """`json.object(s)`, `json.select(path, s)`, `json.list(path, s)`, `json.format(o)`."""

    _name = "json"

    def __init__(self) -> None:
        self._methods = {
            "object": _read_json,
            "select": lambda path, text: select(to_text(path), _read_json(text)),
            "list": _list,
            "format": lambda value: json.dumps(value, ensure_ascii=False, default=dict),
        }


def _read_json(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ExpressionError(f"the text is not JSON: {error}") from error


def _list(path: object, text: object) -> list[object]:
    found = select(to_text(path), _read_json(text))
    if isinstance(found, Sequence) and not isinstance(found, str):
        return list(found)
    return [found]


_STEP = re.compile(r"\.?([A-Za-z_$][\w$-]*|\*)|\[(-?\d+|\*)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")


def select(path: str, value: object) -> object:
    """Return what the JSONPath `path` names: members, indexes and `*`; no filters.

    Raises:
        UnresolvedExpressionError: nothing stands there.
        ExpressionError: the path uses more than this subset.
    """
    position = 1 if path.startswith("$") else 0
    found, many = [value], False
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ExpressionError(
                f"the JSON path {path!r} is not supported from {path[position:]!r}"
            )
        name, index, single, double = step.groups()
        key = next(text for text in (name, index, single, double) if text is not None)
        many = many or key == "*"
        found = [item for target in found for item in _children(target, key, by_index=bool(index))]
        if not found and not many:
            raise UnresolvedExpressionError(f"the JSON path {path!r} finds nothing")
        position = step.end()
    return found if many else found[0]


def _children(target: object, key: str, *, by_index: bool) -> list[object]:
    if isinstance(target, Mapping):
        if key == "*":
            return list(target.values())
        return [target[key]] if key in target else []
    if isinstance(target, Sequence) and not isinstance(target, str):
        if key == "*":
            return list(target)
        at = int(key) if by_index or key.isdigit() else len(target)
        return [target[at]] if -len(target) <= at < len(target) else []
    return []


class RegexFunctor(_MethodTable):
    """`regex.extract(p, s)`, `regex.match(p, s)`, `regex.replace(p, r, s)`."""

    _name = "regex"

    def __init__(self) -> None:
        self._methods = {
            "extract": _extract,
            "match": lambda regex, text: pattern(regex).search(to_text(text)) is not None,
            "replace": lambda regex, new, text: pattern(regex).sub(
                re.sub(r"\$(\d)", r"\\g<\1>", to_text(new)), to_text(text)
            ),
        }


def _extract(regex: str, text: object) -> str:
    """Return the first match that is not empty, else empty text."""
    for match in pattern(regex).finditer(to_text(text)):
        if match.group():
            return match.group()
    return ""


class XmlFunctor(_MethodTable):
    """`xml.select(xpath, s)`: element paths, `text()` and `@attribute` at the end."""

    _name = "xml"

    def __init__(self) -> None:
        self._methods = {"select": _select_xml}


def _select_xml(path: object, text: object) -> str:
    source = to_text(text)
    if "<!DOCTYPE" in source or "<!ENTITY" in source:
        raise ExpressionError("XML with a document type is refused")
    try:
        root = ET.fromstring(source)  # noqa: S314  # entities are refused above
    except ET.ParseError as error:
        raise ExpressionError(f"the text is not XML: {error}") from error
    where, attribute = _split_xpath(to_text(path))
    holder = ET.Element("document")
    holder.append(root)
    try:
        found = holder.find(where)
    except SyntaxError as error:
        raise ExpressionError(f"the XPath {path!r} is not supported: {error}") from error
    value = None if found is None else found.get(attribute) if attribute else found.text
    if value is None:
        raise UnresolvedExpressionError(f"the XPath {path!r} finds nothing")
    return value


def _split_xpath(path: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.*?)(?:/text\(\)|/@([\w:-]+))?", path.strip())
    where = match.group(1) if match else path
    attribute = (match.group(2) or "") if match else ""
    return ("." + where if where.startswith("/") else f"./{where}"), attribute


@dataclass(frozen=True, slots=True)
class DatetimeFunctor:
    """`datetime.currentDate()` and `datetime.currentTime()`, in UTC.

    Unverified: the text format of `currentTime()`.
    """

    now: Callable[[], datetime]

    def call(self, method: str, args: list[object]) -> object:
        """Call `method`; see `Functor`."""
        if args or method not in {"currentDate", "currentTime"}:
            message = f"datetime has no method {method!r} with {len(args)} arguments"
            raise ExpressionError(message, hint="It has: currentDate(), currentTime().")
        moment = self.now().astimezone(UTC)
        return moment.strftime("%Y-%m-%d" if method == "currentDate" else "%Y-%m-%dT%H:%M:%S")
