"""Secret markers: what stands for a secret's value everywhere but on a delegate.

A marker is `${ngSecretManager.obtain("<ref>", 0)}` where the reference is `x`, `org.x`,
`account.x`, or `output.<task>.<name>` for a secret output variable of an earlier step.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from fake_harness.crypto import Cipher
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities, secrets
from fake_harness.store.entities import EntityKind, scoped_key
from fake_harness.store.tables import delegate_tasks, output_secrets
from fake_harness.store.upsert import upsert

_MARKER = re.compile(r'\$\{ngSecretManager\.obtain\("([^"]+)", *\d+\)\}')
_OUTPUT = "output."


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretScope:
    """From where unprefixed references are seen."""

    account: str
    org: str
    project: str


def marker(reference: str) -> str:
    """Return the text that stands for a secret. Source: harness-core NGSecretManagerFunctor."""
    return f'${{ngSecretManager.obtain("{reference}", 0)}}'


def references(value: object) -> Iterator[str]:
    """Yield the references of all markers anywhere in a JSON value."""
    if isinstance(value, str):
        yield from _MARKER.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from references(item)


def missing_secrets(connection: Connection, value: object, scope: SecretScope) -> tuple[str, ...]:
    """Return the references in `value` that no secret answers, each once."""
    return tuple(
        reference
        for reference in dict.fromkeys(references(value))
        if not reference.startswith(_OUTPUT)
        and entities.get(connection, _key(reference, scope)) is None
    )


def with_secrets(
    connection: Connection, package: JsonObject, scope: SecretScope, *, cipher: Cipher
) -> JsonObject:
    """Return the package as a delegate gets it: `secrets` maps each marker to its value."""
    values = {
        marker(reference): _reveal(connection, reference, scope, cipher)
        for reference in dict.fromkeys(references(package))
    }
    return {**package, "secrets": values}


def seal_outputs(
    connection: Connection, task_id: str, result: JsonObject, *, cipher: Cipher
) -> dict[str, object]:
    """Return the result with each secret output replaced by a marker, its value encrypted."""
    names = result.get("secretOutputs")
    variables = result.get("outputVariables")
    if not isinstance(names, Sequence) or not isinstance(variables, Mapping):
        return dict(result)
    sealed = dict(variables)
    execution = connection.execute(
        select(delegate_tasks.c.plan_execution_id).where(delegate_tasks.c.id == task_id)
    ).scalar()
    for name in (str(name) for name in names if name in sealed):
        reference = f"{_OUTPUT}{task_id}.{name}"
        ciphertext = cipher.encrypt(str(sealed[name]).encode(), context=reference)
        values = {"id": reference, "plan_execution_id": execution, "ciphertext": ciphertext}
        connection.execute(
            upsert(connection, output_secrets).values(values).on_conflict_do_nothing()
        )
        sealed[name] = marker(reference)
    return {**result, "outputVariables": sealed}


def _reveal(connection: Connection, reference: str, scope: SecretScope, cipher: Cipher) -> str:
    if reference.startswith(_OUTPUT):
        statement = select(output_secrets.c.ciphertext).where(output_secrets.c.id == reference)
        ciphertext = connection.execute(statement).scalar_one_or_none()
        value = None if ciphertext is None else cipher.decrypt(ciphertext, context=reference)
    else:
        value = secrets.reveal(connection, _key(reference, scope), cipher=cipher)
    if value is None:
        message = f"Secret with identifier [{reference}] not found, or it has no value."
        raise HarnessError("ENTITY_NOT_FOUND", message, status=404)
    return value.decode(errors="replace")


def _key(reference: str, scope: SecretScope) -> entities.EntityKey:
    return scoped_key(
        EntityKind.SECRET, reference, account=scope.account, org=scope.org, project=scope.project
    )
