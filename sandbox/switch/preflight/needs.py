"""What a project would need of an account, read from its own files; it asks no account.

Terraform's configuration tells which types of resources there are; a plan (`terraform show
-json`) also which names and how many. The Harness folder tells steps, tasks and connectors.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import UsageError

_RESOURCE = re.compile(r'^\s*resource\s+"(aws_[a-z0-9_]+)"', re.MULTILINE)
_FROM = re.compile(
    r"^FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.MULTILINE | re.IGNORECASE
)
_ARGUMENT = re.compile(r"^ARG\s+(\w+)=(\S+)", re.MULTILINE)
_SKIPPED = {".terraform", "node_modules", ".venv", ".git", ".sandbox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A resource that Terraform would create."""

    type: str
    address: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSize:
    """A Fargate task of a manifest, and how many of it its service wants."""

    path: str
    cpu: str
    memory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """All that the checks look at."""

    terraform_texts: Mapping[str, str]
    """Configuration files by their path."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the environment says of Terraform's variables, `TF_VAR_*`."""
    planned: tuple[Planned, ...] | None = None
    """None where no plan was given."""
    harness: Mapping[str, Mapping[str, Any]]
    """YAML documents of the Harness folder by their path in it."""
    base_images: Mapping[str, tuple[str, ...]]
    """Images upon which the pipelines' Dockerfiles build, with the Dockerfiles."""

    @property
    def resource_types(self) -> frozenset[str]:
        """Return the types of the plan, else of the whole configuration."""
        if self.planned is not None:
            return frozenset(row.type for row in self.planned)
        return frozenset(
            name for text in self.terraform_texts.values() for name in _RESOURCE.findall(text)
        )

    def of_type(self, *types: str) -> tuple[Planned, ...]:
        """Return the planned resources of the given types."""
        return tuple(row for row in self.planned or () if row.type in types)

    @property
    def step_types(self) -> frozenset[str]:
        """Return the types of all steps."""
        return frozenset(
            str(node["step"].get("type"))
            for document in self.harness.values()
            for node in walk(document)
            if isinstance(node.get("step"), Mapping)
        )

    @property
    def tasks(self) -> tuple[TaskSize, ...]:
        """Return the sizes of the Fargate tasks in the manifests."""
        return tuple(
            TaskSize(
                path=path,
                cpu=str(document.get("cpu", "")),
                memory=str(document.get("memory", "")),
            )
            for path, document in self.harness.items()
            if "FARGATE" in (document.get("requiresCompatibilities") or ())
        )


def read_needs(
    *, infra: Path, harness: Path, plan: Path | None, environment: Mapping[str, str]
) -> Needs:
    """Read a project's files; Dockerfiles are looked for beside the Harness folder.

    Args:
        infra: Terraform's configuration.
        harness: the folder with sync.yaml.
        plan: output of `terraform show -json`.
        environment: may give Terraform's variables values of its own.

    Raises:
        UsageError: neither Terraform configuration nor a Harness folder is there, or the plan
            is none.
    """
    if not infra.is_dir() and not harness.is_dir():
        raise UsageError(
            f"There is neither {infra} nor {harness}.",
            hint="Name the stack with --infra and the Harness folder with --folder.",
        )
    documents = _documents(harness)
    return Needs(
        terraform_texts={
            str(path): path.read_text()
            for ending in (".tf", ".tfvars")
            for path in _files(infra, ending)
        },
        variables={k: v for k, v in environment.items() if k.startswith("TF_VAR_")},
        planned=read_plan(plan) if plan else None,
        harness=documents,
        base_images=_base_images(harness.resolve().parent, documents),
    )


def read_plan(path: Path) -> tuple[Planned, ...]:
    """Read what a plan would create, from the output of `terraform show -json`.

    Raises:
        UsageError: the file is none.
    """
    try:
        changes = json.loads(path.read_text())["resource_changes"]
        return tuple(
            Planned(type=row["type"], address=row["address"], values=row["change"]["after"] or {})
            for row in changes
            if "create" in row["change"]["actions"] and row.get("mode") != "data"
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no plan in JSON ({error}).",
            hint=f"terraform plan -out=tfplan && terraform show -json tfplan > {path}",
        ) from error


def walk(node: object) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in a YAML document."""
    if isinstance(node, Mapping):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def _files(folder: Path, ending: str) -> list[Path]:
    found = folder.rglob(f"*{ending}") if folder.is_dir() else ()
    return sorted(path for path in found if path.is_file() and not _SKIPPED & set(path.parts))


def _documents(folder: Path) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for path in _files(folder, ".yaml"):
        try:
            document = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise UsageError(f"{path}: this is no valid YAML: {error}.") from error
        if isinstance(document, dict):
            found[path.relative_to(folder).as_posix()] = document
    return found


def _with_arguments(image: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], match[0]), image)


def _base_images(
    project: Path, documents: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    named = {
        str(node["spec"].get("dockerfile", "Dockerfile"))
        for document in documents.values()
        for node in walk(document)
        if node.get("type") == "BuildAndPushECR" and isinstance(node.get("spec"), Mapping)
    }
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(named):
        path = project / name
        if not path.is_file():
            continue  # a step of the pipeline makes it
        text = path.read_text()
        values = dict(_ARGUMENT.findall(text))
        stages = {match["stage"] for match in _FROM.finditer(text)}
        for match in _FROM.finditer(text):
            image = _with_arguments(match["image"], values)
            if image not in stages and image != "scratch" and name not in found.get(image, ()):
                found[image] = (*found.get(image, ()), name)
    return found
