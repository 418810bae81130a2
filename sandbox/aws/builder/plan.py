"""What a build will do, decided before anything is done: typed steps in place of RUN lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do in a stage; `text` and `line` say where it comes from."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Step):
    """Something that has no meaning without a container; it is only told."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Step):
    """COPY or ADD of files of the context, or of an earlier stage."""

    sources: tuple[str, ...]
    destination: str
    """Absolute."""
    into_folder: bool
    """The destination is a folder for sure, even when one file goes there."""
    stage: str | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipInstall(Step):
    """Packages into the virtual environment at `venv`, which is made when missing."""

    venv: str
    workdir: str
    requirements: tuple[str, ...] = ()
    """Absolute paths of requirements files in the stage."""
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UvSync(Step):
    """The locked packages of the project in `workdir` into `venv`."""

    venv: str
    workdir: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeVenv(Step):
    """An empty virtual environment."""

    venv: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmInstall(Step):
    """`npm ci` or `npm install` in `workdir`."""

    workdir: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmRun(Step):
    """A script of `package.json`, under the stage's own environment."""

    workdir: str
    script: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFolders(Step):
    """mkdir."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(Step):
    """rm; the paths may have wildcards."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMode(Step):
    """chmod with an octal mode or `+x`."""

    mode: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a base image is to us."""

    kind: str
    """python | node | nginx | scratch"""
    image: str
    version: str = ""
    """major.minor of a Python or Node tag; empty when the tag does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """The declarations that end up in the image's config."""

    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    """`5000/tcp`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    health_check: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage: where it starts, what it does, what it declares."""

    name: str
    base: Base
    parent: str | None
    """The earlier stage that it starts from; None for an image."""
    steps: tuple[Step, ...]
    settings: ImageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The stages that the target needs, in order; the last one is the image."""

    stages: tuple[StagePlan, ...]

    @property
    def final(self) -> StagePlan:
        """The stage that becomes the image."""
        return self.stages[-1]
