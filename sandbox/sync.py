"""`sandbox sync`: brings `harness/` into a Harness project through its REST API.

`harness/sync.yaml` says what and in which order; placeholders are filled here and nowhere
else. The same calls reach the sandbox and a real account. Repeating it is harmless.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from sandbox.errors import SandboxError, UsageError
from sandbox.harness_client import HarnessClient, HarnessRefusedError

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")
_TERRAFORM = "terraform."


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncValues:
    """What fills the placeholders.

    `outputs` maps a Terraform root module (`infra/environments/dev`) to the members of its
    output `harness_variables`.
    """

    environment: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where a local Git server takes webhook registrations, as GitHub's API does.

    Harness itself registers webhooks on GitHub when a trigger is saved.
    """

    api: str
    owner: str
    repository: str
    receiver: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedEntity:
    """One entity that was written."""

    kind: str
    identifier: str
    action: str
    """created | updated"""


@dataclass(slots=True)
class _Place:
    org: str = ""
    project: str = ""
    query: dict[str, object] = field(default_factory=dict)


class Syncer:
    """Uploads one `harness/` folder."""

    def __init__(self, client: HarnessClient, folder: Path, *, line: Callable[[str], None]) -> None:
        self._client = client
        self._folder = folder
        self._line = line
        self._place = _Place()
        self._done: list[SyncedEntity] = []
        path = folder / "sync.yaml"
        if not path.is_file():
            raise UsageError(
                f"There is no {path}.", hint="Name the folder that holds sync.yaml with --folder."
            )
        self._config: dict[str, Any] = _load(path)

    def modules(self) -> tuple[str, ...]:
        """Return the Terraform root modules whose outputs are needed."""
        named = list((self._config.get("terraform") or {}).values())
        variables = self._config.get("variables") or {}
        return tuple(dict.fromkeys([*named, *([variables["module"]] if variables else [])]))

    def sync(self, values: SyncValues, *, webhook: Webhook | None = None) -> list[SyncedEntity]:
        """Create or update every entity, in order.

        Raises:
            UsageError: a placeholder has no value; names file and placeholder.
            HarnessRefusedError: the API refused an entity; names the file.
        """
        filled = self._with_defaults(values)
        self._organization_and_project()
        self._variables(filled)
        for section in self._config["entities"]:
            for path in self._files(section):
                self._entity(section, path, filled)
        if webhook is not None:
            register_webhook(webhook)
        return self._done

    def _with_defaults(self, values: SyncValues) -> SyncValues:
        environment = dict(values.environment)
        for item in self._config.get("placeholders") or []:
            if item["name"] not in environment and "default" in item:
                environment[item["name"]] = str(item["default"])
        return SyncValues(environment=environment, outputs=values.outputs)

    def _organization_and_project(self) -> None:
        org = _load(self._folder / self._config["organization"])["organization"]
        project = _load(self._folder / self._config["project"])["project"]
        self._upsert(
            "organization", org["identifier"], "/ng/api/organizations", {"organization": org}, {}
        )
        query: dict[str, object] = {"orgIdentifier": project["orgIdentifier"]}
        path = "/ng/api/projects"
        self._upsert("project", project["identifier"], path, {"project": project}, query)
        self._place.org = project["orgIdentifier"]
        self._place.project = project["identifier"]
        self._place.query = {**query, "projectIdentifier": project["identifier"]}

    def _variables(self, values: SyncValues) -> None:
        section = self._config.get("variables")
        if not section:
            return
        outputs = self._outputs(values, section["module"], "sync.yaml")
        for name, key in section["values"].items():
            if key not in outputs:
                raise UsageError(f"{section['module']}: harness_variables has no [{key}].")
            body = {
                "identifier": name,
                "name": name,
                "orgIdentifier": self._place.org,
                "projectIdentifier": self._place.project,
                "type": "String",
                "spec": {"valueType": "FIXED", "fixedValue": outputs[key]},
            }
            path = "/ng/api/variables"
            self._upsert("variable", name, path, {"variable": body}, self._place.query, bare=True)

    def _files(self, section: Mapping[str, Any]) -> list[Path]:
        if "files" in section:
            return [self._folder / name for name in section["files"]]
        folder = self._folder / section["folder"]
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def _entity(self, section: Mapping[str, Any], path: Path, values: SyncValues) -> None:
        kind = str(section["kind"])
        shown = str(path.relative_to(self._folder))
        self._line(f"{kind} {shown}")
        text = self._filled(path.read_text(), shown, section.get("placeholders"), values)
        write = {
            "secret": self._secret,
            "connector": self._connector,
            "environment": self._environment,
            "infrastructure": self._infrastructure,
            "service": self._service,
            "pipeline": self._pipeline,
            "inputSet": self._input_set,
            "trigger": self._trigger,
        }.get(kind)
        try:
            if kind == "file":
                self._file(path, text)
            elif write is None:
                raise UsageError(f"sync.yaml: kind [{kind}] is unknown.")
            else:
                write(text)
        except HarnessRefusedError as error:
            error.message = f"{shown}: {error.message}"
            raise

    def _filled(self, text: str, shown: str, placeholders: object, values: SyncValues) -> str:
        if placeholders is None:
            return text
        module = (self._config.get("terraform") or {}).get(shown)

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith(_TERRAFORM):
                found = self._outputs(values, module, shown).get(name.removeprefix(_TERRAFORM))
            else:
                found = values.environment.get(name)
            if found is None:
                raise UsageError(
                    f"{shown}: the placeholder ${{{name}}} has no value.",
                    hint=self._placeholder_hint(name),
                )
            return found

        return _PLACEHOLDER.sub(value, text)

    def _placeholder_hint(self, name: str) -> str:
        for item in self._config.get("placeholders") or []:
            if item["name"] == name:
                return f"Set the environment variable {name}: {item.get('description', '')}."
        return "Apply the Terraform module that has this output, then sync again."

    @staticmethod
    def _outputs(values: SyncValues, module: str | None, shown: str) -> Mapping[str, str]:
        if module is None or module not in values.outputs:
            raise UsageError(
                f"{shown}: the Terraform outputs of {module} are missing.",
                hint=f"Run terraform apply in {module} first.",
            )
        return values.outputs[module]

    def _secret(self, text: str) -> None:
        body = yaml.safe_load(text)
        identifier = body["secret"]["identifier"]
        self._upsert("secret", identifier, "/ng/api/v2/secrets", body, self._place.query)

    def _connector(self, text: str) -> None:
        body = yaml.safe_load(text)
        identifier = body["connector"]["identifier"]
        path = "/ng/api/connectors"
        self._upsert("connector", identifier, path, body, self._place.query, bare=True)

    def _environment(self, text: str) -> None:
        self._yaml_entity("environment", "environment", "/ng/api/environmentsV2", text)

    def _service(self, text: str) -> None:
        self._yaml_entity("service", "service", "/ng/api/servicesV2", text)

    def _infrastructure(self, text: str) -> None:
        path = "/ng/api/infrastructures"
        self._yaml_entity("infrastructure", "infrastructureDefinition", path, text)

    def _yaml_entity(self, kind: str, root: str, path: str, text: str) -> None:
        inner = yaml.safe_load(text)[root]
        body = {
            "identifier": inner["identifier"],
            "name": inner["name"],
            "description": inner.get("description", ""),
            "tags": inner.get("tags") or {},
            "orgIdentifier": self._place.org,
            "projectIdentifier": self._place.project,
            "yaml": text,
        }
        for name in ("type", "environmentRef"):
            if name in inner:
                body[name] = inner[name]
        identifier = inner["identifier"]
        self._upsert(kind, identifier, path, body, {}, bare=True)

    def _pipeline(self, text: str) -> None:
        identifier = yaml.safe_load(text)["pipeline"]["identifier"]
        path = "/pipeline/api/pipelines/v2"
        self._upsert_yaml("pipeline", identifier, path, text, self._place.query)

    def _input_set(self, text: str) -> None:
        inner = yaml.safe_load(text)["inputSet"]
        query = {**self._place.query, "pipelineIdentifier": inner["pipeline"]["identifier"]}
        path = "/pipeline/api/inputSets"
        self._upsert_yaml("inputSet", inner["identifier"], path, text, query)

    def _trigger(self, text: str) -> None:
        inner = yaml.safe_load(text)["trigger"]
        query = {**self._place.query, "targetIdentifier": inner["pipelineIdentifier"]}
        path = "/pipeline/api/triggers"
        self._upsert_yaml("trigger", inner["identifier"], path, text, query)

    def _file(self, path: Path, text: str) -> None:
        store = self._config.get("fileStore") or {}
        relative = path.relative_to(self._folder / store.get("folder", "manifests"))
        parent = "Root"
        for depth, part in enumerate(relative.parts[:-1]):
            identifier = _identifier("_".join(relative.parts[: depth + 1]))
            fields = {"type": "FOLDER", "name": part, "parentIdentifier": parent}
            self._upload(identifier, fields, b"")
            parent = identifier
        fields = {
            "type": "FILE",
            "name": relative.name,
            "parentIdentifier": parent,
            "fileUsage": str(store.get("usage", "MANIFEST_FILE")),
            "mimeType": "yaml",
        }
        self._upload(_identifier("_".join(relative.parts)), fields, text.encode())

    def _upload(self, identifier: str, fields: Mapping[str, str], content: bytes) -> None:
        query = self._place.query
        form = {**fields, "identifier": identifier}
        path = "/ng/api/file-store"
        try:
            self._client.upload("POST", path, query=query, fields=form, content=content)
            action = "created"
        except HarnessRefusedError as error:
            if not _is_duplicate(error):
                raise
            path = f"{path}/{identifier}"
            self._client.upload("PUT", path, query=query, fields=form, content=content)
            action = "updated"
        self._note("file", identifier, action)

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
        """Create, or update where it exists; `bare` updates have no identifier in the path."""
        try:
            self._client.call("POST", path, query=query, body=body)
            action = "created"
        except HarnessRefusedError as error:
            if not _is_duplicate(error):
                raise
            target = path if bare else f"{path}/{identifier}"
            self._client.call("PUT", target, query=query, body=body)
            action = "updated"
        self._note(kind, identifier, action)

    def _upsert_yaml(
        self, kind: str, identifier: str, path: str, text: str, query: Mapping[str, object]
    ) -> None:
        try:
            self._client.call("POST", path, query=query, yaml=text)
            action = "created"
        except HarnessRefusedError as error:
            if not _is_duplicate(error):
                raise
            self._client.call("PUT", f"{path}/{identifier}", query=query, yaml=text)
            action = "updated"
        self._note(kind, identifier, action)

    def _note(self, kind: str, identifier: str, action: str) -> None:
        self._done.append(SyncedEntity(kind=kind, identifier=identifier, action=action))


def register_webhook(webhook: Webhook) -> None:
    """Register the receiver of triggers on the Git server; repeating replaces it.

    Source: GitHub REST API, "Create a repository webhook".
    """
    url = f"{webhook.api}/api/v3/repos/{webhook.owner}/{webhook.repository}/hooks"
    body = {
        "name": "web",
        "active": True,
        "events": ["push", "pull_request"],
        "config": {
            "url": webhook.receiver,
            "content_type": "json",
            "secret": webhook.secret,
        },
    }
    answer = requests.post(url, json=body, timeout=10, proxies={"http": "", "https": ""})
    if not answer.ok:
        raise SandboxError(f"The Git server refused the webhook: {answer.text}")


def _is_duplicate(error: HarnessRefusedError) -> bool:
    return error.code in {"DUPLICATE_FIELD", "DUPLICATE_FILE_IMPORT"} or (
        "already exists" in error.message
    )


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no YAML object.")
    return document
