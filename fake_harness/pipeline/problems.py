"""Collect the problems of one document, with their lines; it finds none itself."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Literal

from fake_harness.errors import SchemaProblem
from fake_harness.pipeline.yaml_source import Document, join

Source = Literal["schema", "semantic"]

# Keys that older versions of Harness's editor wrote; Harness itself ignores them.
_LEFTOVERS = frozenset({"contextType", "sendGitStatus", "storeType", "remoteType"})


class Report:
    """The problems found so far, and the fqn of the node that is being read."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[SchemaProblem] = []
        self._seen: set[tuple[str, str]] = set()
        self.fqn = ""

    def error(
        self, path: str, message: str, *, source: Source = "semantic", hint: str = ""
    ) -> None:
        """Note a fault that keeps the pipeline from running."""
        self._add(path, message, severity="ERROR", source=source, hint=hint)

    def warning(self, path: str, message: str, *, hint: str = "") -> None:
        """Note something that the sandbox does differently or leaves out."""
        self._add(path, message, severity="WARNING", source="semantic", hint=hint)

    def missing(self, path: str, key: str, what: str, *, source: Source = "schema") -> None:
        """Note that `key` is absent under `path`."""
        self.error(join(path, key), f"{what} needs `{key}`", source=source)

    def unknown_keys(self, path: str, value: Mapping[str, object], known: Iterable[str]) -> None:
        """Note each key of `value` that is not in `known`."""
        allowed = sorted(known)
        for key in value:
            if key in _LEFTOVERS and key not in allowed:
                self.warning(join(path, key), f"`{key}` is an old key that has no effect")
            elif key not in allowed:
                near = nearest(key, allowed)
                hint = f"Did you mean `{near}`?" if near else f"Known: {', '.join(allowed)}."
                self.error(join(path, key), f"unknown key `{key}`", hint=hint)

    @property
    def problems(self) -> list[SchemaProblem]:
        """What was found, in the order of the lines."""
        return sorted(self._problems, key=lambda p: (p.line or 0, p.yaml_path))

    def _add(self, path: str, message: str, *, severity: str, source: Source, hint: str) -> None:
        if (path, message) in self._seen:
            return
        self._seen.add((path, message))
        self._problems.append(
            SchemaProblem(
                message=message,
                yaml_path=path,
                fqn=self.fqn,
                line=self._document.line(path),
                severity=severity,
                source=source,
                hint=hint,
            )
        )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` was probably meant to be, else empty text."""
    options = list(known)
    lowered = {option.lower(): option for option in options}
    if word.lower() in lowered:
        return lowered[word.lower()]
    return next(iter(get_close_matches(word, options, n=1, cutoff=0.7)), "")
