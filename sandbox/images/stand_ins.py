"""Recipes: which base images can be made from Debian and npm packages, and from what.

Pure but for reading its own recipe files. Unlike the alpine images for which they may stand,
stand-ins are Debian inside: no `apk`, and `useradd` in place of `adduser -D`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RECIPES_DIR = Path(__file__).parent / "stand_in"

_NAME = re.compile(r"(?P<repository>debian|python|node|nginx):(?P<tag>[\w.-]+)")
_DEBIAN_TAG = re.compile(r"(latest|stable|bookworm|12)(\.\d+)?(-\d+)?(-slim)?")
_PYTHON_TAG = re.compile(r"3\.11(\.\d+)?(-[a-z0-9.-]+)?")
_NODE_TAG = re.compile(r"(?P<version>(18|20|22)(\.\d+){0,2})(-[a-z0-9.-]+)?")
_NPM = {"18": "10.8.2", "20": "10.8.2", "22": "10.9.2"}
"""The npm that the last release of each Node.js line brings. Source: nodejs.org/dist."""

KNOWN = "debian:bookworm*, python:3.11*, node:18|20|22*, nginx:*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the stand-in for one image is made."""

    image: str
    folder: Path
    node: str = ""
    """Version of Node.js that is brought from npm; empty for none."""
    npm: str = ""


def recipe_of(image: str) -> Recipe | None:
    """Return the recipe of the stand-in for `image`, or None when there is none."""
    match = _NAME.fullmatch(image)
    if match is None:
        return None
    repository, tag = match["repository"], match["tag"]
    folder = RECIPES_DIR / repository
    if repository == "node":
        found = _NODE_TAG.fullmatch(tag)
        if found is None:
            return None
        version = found["version"]
        return Recipe(image=image, folder=folder, node=version, npm=_NPM[version.split(".")[0]])
    tags = {"debian": _DEBIAN_TAG, "python": _PYTHON_TAG}
    if repository in tags and not tags[repository].fullmatch(tag):
        return None
    return Recipe(image=image, folder=folder)


def files_of(folder: Path) -> Mapping[str, bytes]:
    """Return the recipe's own files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def digest_of(*parts: str | Mapping[str, bytes]) -> str:
    """Return what changes whenever something that a stand-in is made from changes."""
    digest = hashlib.sha256()
    for part in parts:
        rows = {"": part.encode()} if isinstance(part, str) else part
        for name, content in rows.items():
            digest.update(f"{len(name)}:{name}{len(content)}:".encode() + content)
    return digest.hexdigest()[:12]
