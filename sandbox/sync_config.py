"""The shape of `sync.yaml`, and reading YAML files with errors that say where; no API."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox.errors import UsageError

Kind = Literal[
    "secret",
    "connector",
    "environment",
    "infrastructure",
    "file",
    "service",
    "pipeline",
    "inputSet",
    "trigger",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Section(_Strict):
    """Files of one kind: all of a folder, or named ones in their order."""

    kind: Kind
    folder: str = ""
    files: tuple[str, ...] = ()
    placeholders: Literal["environment", "terraform"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Section":
        if bool(self.folder) == bool(self.files):
            raise ValueError("name either folder or files")
        return self


class FileStore(_Strict):
    """Which folder becomes the root of the project's file store."""

    folder: str = "manifests"
    usage: str = "MANIFEST_FILE"


class Variables(_Strict):
    """Variables of the project, from the outputs of one Terraform root module."""

    module: str
    values: dict[str, str]


class Placeholder(_Strict):
    """An environment variable behind `${NAME}`."""

    name: str
    description: str = ""
    default: str | None = None
    secret: bool = False


class SyncConfig(_Strict):
    """All of `sync.yaml`."""

    organization: str
    project: str
    entities: tuple[Section, ...]
    file_store: FileStore = Field(default=FileStore(), alias="fileStore")
    terraform: dict[str, str] = {}
    variables: Variables | None = None
    placeholders: tuple[Placeholder, ...] = ()

    def placeholder(self, name: str) -> Placeholder | None:
        """Return the placeholder called `name`."""
        return next((item for item in self.placeholders if item.name == name), None)


def read_config(folder: Path) -> SyncConfig:
    """Read `sync.yaml` of a folder.

    Raises:
        UsageError: it is missing or malformed; names every bad key path at once.
    """
    path = folder / "sync.yaml"
    if not path.is_file():
        raise UsageError(
            f"There is no {path}.", hint="Name the folder that holds sync.yaml with --folder."
        )
    document = parse(read_text(path), str(path))
    try:
        return SyncConfig.model_validate(document)
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise UsageError(f"{path}: {'; '.join(rows)}") from error


def read_text(path: Path) -> str:
    """Read a file.

    Raises:
        UsageError: it cannot be read; says why.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}.") from error


def parse(text: str, shown: str) -> dict[str, Any]:
    """Parse a YAML object.

    Raises:
        UsageError: malformed, or no object; names file, line and column.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{shown}:{mark.line + 1}:{mark.column + 1}" if mark else shown
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise UsageError(f"{place}: this is no valid YAML: {what}.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{shown}: this is no valid YAML: {error}.") from error
    if not isinstance(document, dict):
        raise UsageError(f"{shown}: this holds no YAML object.")
    return document


def member(document: dict[str, Any], shown: str, *keys: str) -> Any:
    """Return what lies at a key path.

    Raises:
        UsageError: a key is missing; names the path.
    """
    value: Any = document
    for depth, key in enumerate(keys):
        if not isinstance(value, dict) or key not in value:
            raise UsageError(f"{shown}: the key {'.'.join(keys[: depth + 1])} is missing.")
        value = value[key]
    return value
