"""Builds a Dockerfile as it is, on the engine; the builder is chosen by asking what is there.

It does not push and does not know what the image is for.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import docker
from docker.errors import APIError

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.images.engine import has_buildkit

Say = Callable[[str], None]

_FIRST_BUILDKIT = (18, 9)
_FIRST_WITHOUT = (23, 0)
"""Docker's client has BuildKit inside from 18.09 on, and in its buildx plugin from 23.0 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBuild:
    """One build."""

    context: Path
    dockerfile: Path
    tags: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    host_network: bool = False
    """RUN steps use the host's network, with the host's own name resolution and proxies."""


class Builder(Protocol):
    """One way to build."""

    @property
    def name(self) -> str:
        """Say for people which builder this is."""

    def build(self, wanted: ImageBuild, say: Say) -> str:
        """Build, saying each line of progress; return the image's id. Safe to repeat.

        Raises:
            BuildFailedError: a step failed.
        """


def choose_builder(client: docker.DockerClient, environment: Mapping[str, str]) -> Builder:
    """Return BuildKit through a docker command that has it, else the engine's classic builder."""
    commands = _docker_commands(environment) if has_buildkit(client) else ()
    for command in commands:
        if _answer(environment, command, "buildx", "version"):
            # The builder of this name is the engine's own: it sees the engine's images.
            context = _answer(environment, command, "context", "show") or "default"
            extra = {"BUILDX_BUILDER": context, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
            return CommandBuilder(command, "buildx", {**environment, **extra})
    for command in commands:
        version = _answer(environment, command, "version", "--format", "{{.Client.Version}}")
        if _FIRST_BUILDKIT <= _numbers(version) < _FIRST_WITHOUT:
            return CommandBuilder(command, f"client {version}", environment)
    return ClassicBuilder(client)


class CommandBuilder:
    """BuildKit in the engine, driven by a docker command."""

    def __init__(self, command: str, flavour: str, environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = {**environment, "DOCKER_BUILDKIT": "1"}
        self.name = f"BuildKit ({command}, {flavour})"

    def build(self, wanted: ImageBuild, say: Say) -> str:
        """Build; the engine keeps the layers for the next time."""
        with tempfile.TemporaryDirectory(prefix="sandbox-build-") as folder:
            id_file = Path(folder, "id")
            process = subprocess.Popen(
                [self._command, *build_words(wanted, id_file)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            last = ""
            with process:
                for line in process.stdout or ():
                    if line.strip():
                        last = line.strip()
                        say(line.rstrip())
            if process.returncode != 0:
                raise BuildFailedError(f"docker build ended with {process.returncode}: {last}")
            return id_file.read_text().strip()


class ClassicBuilder:
    """The engine's classic builder, by its API: no BuildKit, so no `RUN --mount`."""

    name = "the engine's classic builder (no docker command here has BuildKit)"

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def build(self, wanted: ImageBuild, say: Say) -> str:
        """Build; the engine keeps the layers for the next time."""
        try:
            rows = self._client.api.build(
                path=str(wanted.context),
                dockerfile=str(wanted.dockerfile.resolve()),
                buildargs=dict(wanted.build_args),
                labels=dict(wanted.labels),
                target=wanted.target,
                network_mode="host" if wanted.host_network else None,
                rm=True,
                forcerm=True,
                decode=True,
            )
            identifier = _said(rows, say)
        except (APIError, TypeError, OSError) as error:
            raise BuildFailedError(str(error)) from error
        image = self._client.images.get(identifier)
        for tag in wanted.tags:
            image.tag(*tag.rsplit(":", 1))
        return str(image.id)


def build_words(wanted: ImageBuild, id_file: Path) -> list[str]:
    """Return the words after `docker`."""
    return [
        *("build", "--progress=plain", "--iidfile", str(id_file)),
        *("--file", str(wanted.dockerfile)),
        *(word for tag in wanted.tags for word in ("--tag", tag)),
        *(
            w
            for name, value in wanted.build_args.items()
            for w in ("--build-arg", f"{name}={value}")
        ),
        *(w for name, value in wanted.labels.items() for w in ("--label", f"{name}={value}")),
        *(("--target", wanted.target) if wanted.target else ()),
        *(("--network", "host") if wanted.host_network else ()),
        str(wanted.context),
    ]


def _said(rows: Iterable[Mapping[str, object]], say: Say) -> str:
    """Say what a classic build tells; return the image's id."""
    identifier = ""
    for row in rows:
        if "error" in row:
            raise BuildFailedError(str(row["error"]).strip())
        for line in str(row.get("stream", "")).splitlines():
            if line.strip():
                say(line.rstrip())
        aux = row.get("aux")
        if isinstance(aux, Mapping):
            identifier = str(aux.get("ID", identifier))
    if not identifier:
        raise BuildFailedError("the engine told no image's id")
    return identifier


def _docker_commands(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return every `docker` of the PATH: an older one may have what the first has not."""
    folders = environment.get("PATH", "").split(":")
    found = (shutil.which("docker", path=folder) for folder in folders if folder)
    return tuple(dict.fromkeys(str(Path(command).resolve()) for command in found if command))


def _answer(environment: Mapping[str, str], *words: str) -> str:
    """Return what a command prints, or nothing when it fails."""
    done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
