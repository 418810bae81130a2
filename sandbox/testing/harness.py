"""A small Harness client for tests: apply YAML, run pipelines; over the REST API only."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from sandbox.errors import UsageError
from sandbox.harness_client import HarnessClient
from sandbox.sync import Syncer, SyncValues
from sandbox.sync_config import FileStore, parse, read_text
from sandbox.sync_entities import EntityWriter, Project
from sandbox.testing.local import LocalSandbox
from sandbox.testing.runs import TIMEOUT_S, PipelineRun
from sandbox.testing.settings import HARNESS_ACCOUNT, HARNESS_KEY

ORG, PROJECT = "default", "tests"

_ROOTS = {
    "organization": "organization",
    "project": "project",
    "secret": "secret",
    "connector": "connector",
    "environment": "environment",
    "infrastructureDefinition": "infrastructure",
    "service": "service",
    "pipeline": "pipeline",
    "inputSet": "inputSet",
    "trigger": "trigger",
}
"""Root key of an entity's YAML to the kind that `sync_entities` writes, in the order of need."""
_SCOPE = ("orgIdentifier", "projectIdentifier")

Document = Mapping[str, Any]


class Harness:
    """What the fixture `harness` gives: one Harness account, emptied between tests.

    Entities that name no organization and project go to `default` and `tests`, which are
    made when they are needed; those that name others get those.
    """

    def __init__(self, sandbox: LocalSandbox) -> None:
        self._sandbox = sandbox
        self._client: HarnessClient | None = None
        self._made: set[tuple[str, str]] = set()
        self._places: dict[str, tuple[str, str]] = {}
        self._resets = -1

    @property
    def url(self) -> str:
        """The endpoint, and the console for people."""
        return self._sandbox.harness_url

    @property
    def client(self) -> HarnessClient:
        """The plain REST client, for whatever has no method here."""
        url = self._sandbox.harness_url
        if self._client is None:
            self._client = HarnessClient(url, HARNESS_ACCOUNT, HARNESS_KEY)
        if self._resets != self._sandbox.resets:
            self._resets = self._sandbox.resets
            self._made.clear()
            self._places.clear()
        return self._client

    def apply(self, *sources: str | Path | Document) -> None:
        """Create or update entities: YAML text, files, folders of them, or dictionaries.

        A text or file may hold several documents. They are written in the order in which
        they need each other. A folder with `sync.yaml` is for `sync`.

        Raises:
            UsageError: it is no entity; says where and what is known.
            HarnessRefusedError: Harness refused it, in Harness's words.
        """
        found = [entity for source in sources for entity in _documents(source)]
        order = list(_ROOTS)
        for root, inner, shown in sorted(found, key=lambda entity: order.index(entity[0])):
            self._write(root, copy.deepcopy(dict(inner)), shown)

    def sync(
        self,
        folder: str | Path,
        *,
        environment: Mapping[str, str] | None = None,
        outputs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Bring a folder with `sync.yaml` in, as `sandbox sync` does.

        Args:
            folder: the folder.
            environment: what fills `${NAME}`; the real environment is not read.
            outputs: Terraform root module to its output `harness_variables`.

        """
        client = self.client
        values = SyncValues(environment=environment or {}, outputs=outputs or {})
        Syncer(client, Path(folder), line=lambda _: None).sync(values)
        for path in sorted(Path(folder).rglob("*.yaml")):
            document = _parsed(path)
            if isinstance(document, Mapping) and isinstance(document.get("pipeline"), Mapping):
                inner = document["pipeline"]
                self._places[str(inner.get("identifier"))] = _place_of(inner)

    def file(self, path: str, content: str, *, org: str = ORG, project: str = PROJECT) -> None:
        """Put a file into the file store (`/ecs/task.yaml`), where manifests are found."""
        place = self._place(org, project)
        relative = PurePosixPath(path.lstrip("/"))
        EntityWriter(self.client).file(place, FileStore(), relative, content.encode())

    def secret(
        self, identifier: str, value: str, *, org: str = ORG, project: str = PROJECT
    ) -> None:
        """Put a text secret into the built-in secret manager."""
        spec = {
            "secretManagerIdentifier": "harnessSecretManager",
            "valueType": "Inline",
            "value": value,
        }
        inner = {"type": "SecretText", "identifier": identifier, "name": identifier, "spec": spec}
        scope = dict(zip(_SCOPE, (org, project), strict=True))
        self.apply({"secret": {**inner, **scope}})

    def run(
        self,
        pipeline: str,
        inputs: Mapping[str, Any] | str = "",
        *,
        input_sets: Sequence[str] = (),
        approve: bool = False,
        timeout_s: float = TIMEOUT_S,
        org: str = "",
        project: str = "",
    ) -> PipelineRun:
        """Run a pipeline until it has ended or waits for an approval.

        Args:
            pipeline: its identifier.
            inputs: values of pipeline variables by name, or a whole inputs YAML.
            input_sets: identifiers of input sets, merged in this order before `inputs`.
            approve: approve whatever waits, and go on.
            timeout_s: how long to wait.
            org: the organization, when it is not the one that the pipeline was applied to.
            project: the project, likewise.

        Raises:
            HarnessRefusedError: it cannot be started; in Harness's words.
            AssertionError: it did not end in time; shows where it stands.
        """
        __tracebackhide__ = True
        run = self.start(pipeline, inputs, input_sets=input_sets, org=org, project=project)
        run.wait(timeout_s)
        while approve and not run.is_final:
            run.approve(timeout_s=timeout_s)
        return run

    def start(
        self,
        pipeline: str,
        inputs: Mapping[str, Any] | str = "",
        *,
        input_sets: Sequence[str] = (),
        org: str = "",
        project: str = "",
    ) -> PipelineRun:
        """Start a pipeline and return at once; see `run`."""
        client = self.client
        known = self._places.get(pipeline, (ORG, PROJECT))
        place = (org or known[0], project or known[1])
        text = inputs if isinstance(inputs, str) else _inputs_yaml(pipeline, inputs)
        made = self._sandbox.calls()
        execution = client.execute(*place, pipeline, inputs_yaml=text, input_sets=tuple(input_sets))
        return PipelineRun(self._sandbox, client, place, execution, made[-1].number if made else 0)

    def _write(self, root: str, inner: dict[str, Any], shown: str) -> None:
        client = self.client
        writer = EntityWriter(client)
        if root == "organization":
            writer.organization(inner)
            return
        if root == "project":
            self._organization(str(inner.setdefault("orgIdentifier", ORG)))
            writer.project({"modules": [], **inner})
            self._made.add((inner["orgIdentifier"], inner["identifier"]))
            return
        # An input set names its project twice: for itself and for its pipeline.
        for scoped in (inner, inner.get("pipeline") if root == "inputSet" else None):
            if isinstance(scoped, dict):
                scoped.setdefault("orgIdentifier", ORG)
                scoped.setdefault("projectIdentifier", PROJECT)
        org, project = _place_of(inner)
        place = self._place(org, project)
        text = yaml.safe_dump({root: inner}, sort_keys=False, allow_unicode=True)
        writer.entity(_ROOTS[root], place, text, shown)
        if root == "pipeline":
            self._places[str(inner["identifier"])] = (org, project)

    def _place(self, org: str, project: str) -> Project:
        client = self.client
        if (org, project) not in self._made:
            self._organization(org)
            inner = {"identifier": project, "name": project, "orgIdentifier": org, "modules": []}
            EntityWriter(client).project(inner)
            self._made.add((org, project))
        return Project(org=org, project=project)

    def _organization(self, org: str) -> None:
        if (org, "") not in self._made:
            EntityWriter(self.client).organization({"identifier": org, "name": org})
            self._made.add((org, ""))


def _documents(source: str | Path | Document) -> Iterator[tuple[str, Document, str]]:
    if isinstance(source, Mapping):
        yield _entity(source, "the dictionary")
        return
    if isinstance(source, Path):
        if source.is_dir():
            yield from _folder(source)
            return
        texts, shown = read_text(source), str(source)
    elif "\n" not in source and source.endswith((".yaml", ".yml")):
        yield from _documents(Path(source))
        return
    else:
        texts, shown = source, "the YAML text"
    parts = [part for part in f"\n{texts}".split("\n---") if part.strip()]
    for number, text in enumerate(parts, start=1):
        name = f"{shown}, document {number}" if len(parts) > 1 else shown
        yield _entity(parse(text, name), name)


def _folder(folder: Path) -> Iterator[tuple[str, Document, str]]:
    if (folder / "sync.yaml").exists():
        raise UsageError(
            f"{folder} has a sync.yaml, which says how it goes in.",
            hint="Use harness.sync(folder, environment=..., outputs=...).",
        )
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"})
    if not files:
        raise UsageError(f"{folder} has no YAML files.")
    for path in files:
        yield from _documents(path)


def _entity(document: Document, shown: str) -> tuple[str, Document, str]:
    root = next((name for name in _ROOTS if isinstance(document.get(name), Mapping)), None)
    if root is None:
        raise UsageError(
            f"{shown} is no Harness entity: its root key is none of {', '.join(_ROOTS)}.",
            hint="Manifests go into the file store: harness.file('/ecs/task.yaml', text).",
        )
    inner = document[root]
    if "identifier" not in inner:
        raise UsageError(f"{shown}: the key {root}.identifier is missing.")
    return root, {"name": inner["identifier"], **inner}, shown


def _place_of(inner: Document) -> tuple[str, str]:
    return str(inner.get("orgIdentifier", ORG)), str(inner.get("projectIdentifier", PROJECT))


def _parsed(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return None


def _inputs_yaml(pipeline: str, inputs: Mapping[str, Any]) -> str:
    if not inputs:
        return ""
    variables = [
        {"name": name, "type": _type(value), "value": value} for name, value in inputs.items()
    ]
    return yaml.safe_dump(
        {"pipeline": {"identifier": pipeline, "variables": variables}}, sort_keys=False
    )


def _type(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "Number" if is_number else "String"
