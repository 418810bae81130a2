"""Writes one Harness entity through the REST API: create, or update where it exists.

Source: Harness NG and Pipeline API references; each kind has its own path and envelope.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from sandbox.harness_client import HarnessClient, HarnessRefusedError
from sandbox.sync_config import FileStore, member, parse

_DUPLICATES = frozenset({"DUPLICATE_FIELD", "DUPLICATE_FILE_IMPORT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedEntity:
    """One entity that was written."""

    kind: str
    identifier: str
    action: str
    """created | updated"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where the entities go."""

    org: str
    project: str

    @property
    def query(self) -> dict[str, object]:
        """Return the scope as query parameters."""
        return {"orgIdentifier": self.org, "projectIdentifier": self.project}


@dataclass(slots=True)
class EntityWriter:
    """Writes entities and keeps what was done."""

    client: HarnessClient
    done: list[SyncedEntity] = field(default_factory=list)

    def organization(self, inner: Mapping[str, Any]) -> None:
        """Write an organization."""
        path = "/ng/api/organizations"
        self._upsert("organization", inner["identifier"], path, {"organization": inner}, {})

    def project(self, inner: Mapping[str, Any]) -> Project:
        """Write a project; return it as the scope of what follows."""
        place = Project(org=inner["orgIdentifier"], project=inner["identifier"])
        query: dict[str, object] = {"orgIdentifier": place.org}
        self._upsert("project", place.project, "/ng/api/projects", {"project": inner}, query)
        return place

    def variable(self, place: Project, name: str, value: str) -> None:
        """Write a String variable of the project."""
        body = {
            "identifier": name,
            "name": name,
            "orgIdentifier": place.org,
            "projectIdentifier": place.project,
            "type": "String",
            "spec": {"valueType": "FIXED", "fixedValue": value},
        }
        path = "/ng/api/variables"
        self._upsert("variable", name, path, {"variable": body}, place.query, bare=True)

    def entity(self, kind: str, place: Project, text: str, shown: str) -> None:
        """Write the entity that the YAML `text` holds; `shown` names its file in errors."""
        writers: Mapping[str, Callable[[Project, str, str], None]] = {
            "secret": self._secret,
            "connector": self._connector,
            "environment": self._environment,
            "infrastructure": self._infrastructure,
            "service": self._service,
            "pipeline": self._pipeline,
            "inputSet": self._input_set,
            "trigger": self._trigger,
        }
        writers[kind](place, text, shown)

    def file(self, place: Project, store: FileStore, path: PurePosixPath, content: bytes) -> None:
        """Write a file of the file store, and the folders above it."""
        parent = "Root"
        for depth, part in enumerate(path.parts[:-1]):
            identifier = _identifier("_".join(path.parts[: depth + 1]))
            folder = {"type": "FOLDER", "name": part, "parentIdentifier": parent}
            self._upload(place, identifier, folder, b"")
            parent = identifier
        fields = {
            "type": "FILE",
            "name": path.name,
            "parentIdentifier": parent,
            "fileUsage": store.usage,
            "mimeType": "yaml",
        }
        self._upload(place, _identifier("_".join(path.parts)), fields, content)

    def _secret(self, place: Project, text: str, shown: str) -> None:
        body = parse(text, shown)
        identifier = member(body, shown, "secret", "identifier")
        self._upsert("secret", identifier, "/ng/api/v2/secrets", body, place.query)

    def _connector(self, place: Project, text: str, shown: str) -> None:
        body = parse(text, shown)
        identifier = member(body, shown, "connector", "identifier")
        path = "/ng/api/connectors"
        self._upsert("connector", identifier, path, body, place.query, bare=True)

    def _environment(self, place: Project, text: str, shown: str) -> None:
        inner = member(parse(text, shown), shown, "environment")
        self._yaml_body("environment", "/ng/api/environmentsV2", place, inner, text, shown)

    def _service(self, place: Project, text: str, shown: str) -> None:
        inner = member(parse(text, shown), shown, "service")
        self._yaml_body("service", "/ng/api/servicesV2", place, inner, text, shown)

    def _infrastructure(self, place: Project, text: str, shown: str) -> None:
        inner = member(parse(text, shown), shown, "infrastructureDefinition")
        self._yaml_body("infrastructure", "/ng/api/infrastructures", place, inner, text, shown)

    def _yaml_body(
        self, kind: str, path: str, place: Project, inner: dict[str, Any], text: str, shown: str
    ) -> None:
        """Write an entity whose JSON body carries its YAML."""
        identifier = member(inner, shown, "identifier")
        body = {
            "identifier": identifier,
            "name": inner.get("name", identifier),
            "description": inner.get("description", ""),
            "tags": inner.get("tags") or {},
            "orgIdentifier": place.org,
            "projectIdentifier": place.project,
            "yaml": text,
        }
        body |= {name: inner[name] for name in ("type", "environmentRef") if name in inner}
        self._upsert(kind, identifier, path, body, {}, bare=True)

    def _pipeline(self, place: Project, text: str, shown: str) -> None:
        identifier = member(parse(text, shown), shown, "pipeline", "identifier")
        path = "/pipeline/api/pipelines/v2"
        self._upsert_yaml("pipeline", identifier, path, text, place.query)

    def _input_set(self, place: Project, text: str, shown: str) -> None:
        document = parse(text, shown)
        identifier = member(document, shown, "inputSet", "identifier")
        pipeline = member(document, shown, "inputSet", "pipeline", "identifier")
        query = {**place.query, "pipelineIdentifier": pipeline}
        self._upsert_yaml("inputSet", identifier, "/pipeline/api/inputSets", text, query)

    def _trigger(self, place: Project, text: str, shown: str) -> None:
        document = parse(text, shown)
        identifier = member(document, shown, "trigger", "identifier")
        pipeline = member(document, shown, "trigger", "pipelineIdentifier")
        query = {**place.query, "targetIdentifier": pipeline}
        self._upsert_yaml("trigger", identifier, "/pipeline/api/triggers", text, query)

    def _upload(
        self, place: Project, identifier: str, fields: Mapping[str, str], content: bytes
    ) -> None:
        form = {**fields, "identifier": identifier}
        path = "/ng/api/file-store"

        def send(method: str, path: str) -> None:
            self.client.upload(method, path, query=place.query, fields=form, content=content)

        self._write("file", identifier, send, path, f"{path}/{identifier}")

    def _upsert(
        self,
        kind: str,
        identifier: str,
        path: str,
        body: Mapping[str, object],
        query: Mapping[str, object],
        *,
        bare: bool = False,
    ) -> None:
        """Write a JSON body; a `bare` update has no identifier in its path."""

        def send(method: str, path: str) -> None:
            self.client.call(method, path, query=query, body=body)

        self._write(kind, identifier, send, path, path if bare else f"{path}/{identifier}")

    def _upsert_yaml(
        self, kind: str, identifier: str, path: str, text: str, query: Mapping[str, object]
    ) -> None:
        def send(method: str, path: str) -> None:
            self.client.call(method, path, query=query, yaml=text)

        self._write(kind, identifier, send, path, f"{path}/{identifier}")

    def _write(
        self,
        kind: str,
        identifier: str,
        send: Callable[[str, str], None],
        create_path: str,
        update_path: str,
    ) -> None:
        try:
            send("POST", create_path)
            action = "created"
        except HarnessRefusedError as error:
            if not _is_duplicate(error):
                raise
            send("PUT", update_path)
            action = "updated"
        self.done.append(SyncedEntity(kind=kind, identifier=identifier, action=action))


def _is_duplicate(error: HarnessRefusedError) -> bool:
    return error.code in _DUPLICATES or "already exists" in error.message


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
