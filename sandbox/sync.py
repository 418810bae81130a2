"""`sandbox sync`: brings `harness/` into a Harness project through its REST API.

`harness/sync.yaml` says what and in which order; placeholders are filled here and nowhere
else. The same calls reach the sandbox and a real account. Repeating it is harmless.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import requests
import yaml

from sandbox.errors import SandboxError, UsageError
from sandbox.harness_client import HarnessClient, HarnessRefusedError
from sandbox.sync_config import Section, member, parse, read_config, read_text
from sandbox.sync_entities import EntityWriter, Project, SyncedEntity

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


class Syncer:
    """Uploads one `harness/` folder.

    Args:
        client: the account.
        folder: holds sync.yaml.
        line: receives what is being written, for progress.

    Raises:
        UsageError: sync.yaml is missing or malformed.
    """

    def __init__(self, client: HarnessClient, folder: Path, *, line: Callable[[str], None]) -> None:
        self._client = client
        self._folder = folder
        self._line = line
        self._config = read_config(folder)

    def modules(self) -> tuple[str, ...]:
        """Return the Terraform root modules whose outputs are needed."""
        variables = [self._config.variables.module] if self._config.variables else []
        return tuple(dict.fromkeys([*self._config.terraform.values(), *variables]))

    def sync(self, values: SyncValues, *, webhook: Webhook | None = None) -> list[SyncedEntity]:
        """Create or update every entity, in order.

        Every file is read and every placeholder filled before the first call.

        Raises:
            UsageError: a file is malformed or a placeholder has no value; names both.
            HarnessRefusedError: the API refused an entity; names the file.
        """
        texts = [
            (section, path, self._filled(path, section, values))
            for section in self._config.entities
            for path in self._files(section)
        ]
        variables = self._variables(values)
        writer = EntityWriter(self._client)
        place = self._organization_and_project(writer)
        for name, value in variables.items():
            writer.variable(place, name, value)
        for section, path, text in texts:
            self._write(writer, place, section, path, text)
        if webhook is not None:
            register_webhook(webhook)
        return writer.done

    def _organization_and_project(self, writer: EntityWriter) -> Project:
        inner = {}
        for kind, name in (
            ("organization", self._config.organization),
            ("project", self._config.project),
        ):
            path = self._folder / name
            inner[kind] = member(parse(read_text(path), str(path)), str(path), kind)
            member(inner[kind], str(path), "identifier")
        member(inner["project"], str(self._folder / self._config.project), "orgIdentifier")
        writer.organization(inner["organization"])
        return writer.project(inner["project"])

    def _variables(self, values: SyncValues) -> dict[str, str]:
        section = self._config.variables
        if section is None:
            return {}
        outputs = _outputs(values, section.module, "sync.yaml")
        missing = [key for key in section.values.values() if key not in outputs]
        if missing:
            raise UsageError(
                f"sync.yaml: variables: {section.module} has no {', '.join(missing)} in its "
                "output harness_variables."
            )
        return {name: outputs[key] for name, key in section.values.items()}

    def _files(self, section: Section) -> list[Path]:
        if section.files:
            return [self._folder / name for name in section.files]
        folder = self._folder / section.folder
        if not folder.is_dir():
            raise UsageError(f"sync.yaml: there is no folder {folder}.")
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _write(
        self, writer: EntityWriter, place: Project, section: Section, path: Path, text: str
    ) -> None:
        shown = self._shown(path)
        self._line(f"{section.kind} {shown}")
        try:
            if section.kind == "file":
                store = self._config.file_store
                relative = path.relative_to(self._folder / store.folder)
                writer.file(place, store, PurePosixPath(relative), text.encode())
            else:
                writer.entity(section.kind, place, text, shown)
        except HarnessRefusedError as error:
            error.message = f"{shown}: {error.message}"
            raise

    def _filled(self, path: Path, section: Section, values: SyncValues) -> str:
        text, shown = read_text(path), self._shown(path)
        if section.placeholders is None:
            if section.kind != "file":
                parse(text, shown)
            return text
        module = self._config.terraform.get(shown)
        return fill(text, shown, lambda name: self._value(name, module, shown, values))

    def _value(self, name: str, module: str | None, shown: str, values: SyncValues) -> str:
        placeholder = self._config.placeholder(name)
        if name.startswith(_TERRAFORM):
            outputs = _outputs(values, module, shown)
            found = outputs.get(name.removeprefix(_TERRAFORM))
            hint = f"Add it to the output harness_variables of {module}, then apply."
        else:
            found = values.environment.get(name)
            if found is None and placeholder is not None:
                found = placeholder.default
            what = f": {placeholder.description}" if placeholder else ""
            hint = f"Set the environment variable {name}{what}."
        if found is None:
            raise UsageError(f"{shown}: the placeholder ${{{name}}} has no value.", hint=hint)
        return found


def fill(text: str, shown: str, value: Callable[[str], str]) -> str:
    """Replace the placeholders of a YAML text.

    A value is always a string: where its bare text would mean something else in YAML (a
    token `1e5`, a password with ` #`), the document is written anew with quotes.
    """

    def replace(match: re.Match[str]) -> str:
        return value(match.group(1))

    meant = _fill_tree(parse(text, shown), replace)
    filled = _PLACEHOLDER.sub(replace, text)
    try:
        says = yaml.safe_load(filled)
    except yaml.YAMLError:
        says = None
    return filled if says == meant else yaml.safe_dump(meant, sort_keys=False, allow_unicode=True)


def _fill_tree(node: Any, replace: Callable[[re.Match[str]], str]) -> Any:
    if isinstance(node, dict):
        return {key: _fill_tree(child, replace) for key, child in node.items()}
    if isinstance(node, list):
        return [_fill_tree(child, replace) for child in node]
    return _PLACEHOLDER.sub(replace, node) if isinstance(node, str) else node


def _outputs(values: SyncValues, module: str | None, shown: str) -> Mapping[str, str]:
    if module is None:
        raise UsageError(
            f"{shown}: it needs Terraform outputs, but sync.yaml names no module for it.",
            hint=f"Add `{shown}: <root module>` under `terraform` in sync.yaml.",
        )
    if module not in values.outputs:
        raise UsageError(
            f"{shown}: the Terraform outputs of {module} are missing.",
            hint=f"Run terraform apply in {module} first.",
        )
    return values.outputs[module]


def register_webhook(webhook: Webhook) -> None:
    """Register the receiver of triggers on the Git server; repeating replaces it.

    The repository is made where it is not there yet. Source: GitHub REST API, "Create an
    organization repository" and "Create a repository webhook".
    """
    _post(webhook, f"orgs/{webhook.owner}/repos", {"name": webhook.repository})
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
    _post(webhook, f"repos/{webhook.owner}/{webhook.repository}/hooks", body)


def _post(webhook: Webhook, path: str, body: Mapping[str, object]) -> None:
    url = f"{webhook.api}/api/v3/{path}"
    try:
        answer = requests.post(url, json=body, timeout=10, proxies={"http": "", "https": ""})
    except requests.RequestException as error:
        raise SandboxError(
            f"The Git server does not answer at {webhook.api}.",
            hint="`sandbox up` starts it; `sandbox logs git` shows what it says.",
        ) from error
    if not answer.ok:
        raise SandboxError(f"The Git server refused {path}: {answer.text.strip()}")
