"""Which base images a project's Dockerfiles name; nothing is fetched here."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sandbox.aws.builder.dockerfile import Dockerfile, expand, pairs, parse_dockerfile
from sandbox.aws.builder.errors import DockerfileError
from sandbox.errors import UsageError

_DEEPEST = 3
_NOT_OURS = frozenset({"node_modules", "vendor", "__pycache__"})


def find_dockerfiles(root: Path) -> tuple[Path, ...]:
    """Return every `Dockerfile` down to `root/*/*/`, but for hidden and vendored folders."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        deeper = len(here.relative_to(root).parts) < _DEEPEST - 1
        folders[:] = sorted(f for f in folders if deeper and f not in _NOT_OURS and f[0] != ".")
        if "Dockerfile" in files:
            found.append(here / "Dockerfile")
    return tuple(found)


def base_images(dockerfiles: Sequence[Path], named: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return each image that must be there before a build, with what asks for it.

    Raises:
        UsageError: a Dockerfile cannot be read, or its FROM is not known before the build.
    """
    found: dict[str, list[str]] = {with_tag(name): ["--image"] for name in named}
    for path in dockerfiles:
        try:
            parsed = parse_dockerfile(path.read_text())
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        except DockerfileError as error:
            raise UsageError(f"{path}: {error.message}") from error
        for line, reference in _bases(parsed):
            if not reference:
                raise UsageError(
                    f"{path}: line {line}: the base image is known only at build time",
                    hint="Give its ARG a default, or name the image with --image.",
                )
            users = found.setdefault(with_tag(reference), [])
            if str(path) not in users:
                users.append(str(path))
    return {name: tuple(users) for name, users in found.items()}


def with_tag(reference: str) -> str:
    """Return an image's short name as `docker image ls` shows it, its tag included."""
    name = reference
    for prefix in ("docker.io/library/", "index.docker.io/library/", "library/", "docker.io/"):
        name = name.removeprefix(prefix)
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def registry_of(reference: str) -> str:
    """Return the host of the registry that serves an image; Docker Hub for short names."""
    first, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if is_host else "docker.io"


def _bases(parsed: Dockerfile) -> Iterator[tuple[int, str]]:
    """Yield line and image of each FROM and `COPY --from` that names no stage."""
    defaults = _defaults(parsed)
    stages: set[str] = set()
    for number, stage in enumerate(parsed.stages):
        base = expand(stage.base, defaults)
        if base.lower() not in stages and base != "scratch":
            yield stage.origin.line, base
        stages |= {stage.name.lower(), str(number)}
        for instruction in stage.instructions:
            source = instruction.flags.get("from", "")
            if source and source.lower() not in stages:
                yield instruction.line, source


def _defaults(parsed: Dockerfile) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for argument in parsed.arguments:
        if "=" in argument.value:
            found |= pairs(argument, found)
    return found
