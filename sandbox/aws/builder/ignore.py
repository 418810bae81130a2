"""Which files of a build context count: `.dockerignore` applied; it copies nothing.

Source: Docker, "Build context", .dockerignore files; moby/patternmatcher.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    keeps: bool
    text: str
    regex: re.Pattern[str]


class IgnoreRules:
    """The rules of one `.dockerignore`; the last that matches a path decides."""

    def __init__(self, text: str = "") -> None:
        self._patterns: list[_Pattern] = []
        for line in text.splitlines():
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            keeps = pattern.startswith("!")
            clean = posixpath.normpath(pattern.lstrip("!").strip().lstrip("/"))
            self._patterns.append(
                _Pattern(keeps=keeps, text=clean, regex=re.compile(glob_regex(clean)))
            )

    @classmethod
    def of(cls, context: Path) -> "IgnoreRules":
        """Read the rules of a context folder; none where it has no `.dockerignore`."""
        path = context / ".dockerignore"
        return cls(path.read_text() if path.is_file() else "")

    def ignores(self, path: str) -> bool:
        """Tell whether `path` (relative, POSIX), or a folder above it, is left out."""
        parts = path.split("/")
        above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        ignored = False
        for pattern in self._patterns:
            if any(pattern.regex.fullmatch(candidate) for candidate in above):
                ignored = not pattern.keeps
        return ignored

    def prunes(self, folder: str) -> bool:
        """Tell whether nothing below an ignored `folder` can come back."""
        if not self.ignores(folder):
            return False
        return not any(
            pattern.keeps and _may_reach(pattern.text, folder) for pattern in self._patterns
        )

    def files(self, context: Path) -> Iterator[str]:
        """Return every file and link of the context that counts, in no order."""
        for folder, folders, names in os.walk(context):
            here = Path(folder).relative_to(context).as_posix().removeprefix(".")
            prefix = f"{here}/" if here else ""
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            folders[:] = [n for n in folders if n not in links and not self.prunes(prefix + n)]
            for name in (*names, *links):
                if not self.ignores(prefix + name):
                    yield prefix + name


def glob_regex(pattern: str) -> str:
    """Return a regular expression for Docker's path patterns."""
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        elif pattern[i] == "[" and "]" in pattern[i:]:
            end = pattern.index("]", i)
            out, i = out + pattern[i : end + 1], end + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return out


def _may_reach(pattern: str, folder: str) -> bool:
    """Tell whether `pattern` may match something below `folder`."""
    first, top = pattern.split("/", maxsplit=1)[0], folder.split("/", maxsplit=1)[0]
    return "*" in first or first == top
