"""Finds the template that a reference means; it expands nothing.

Source: Harness docs, "Templates overview": without a version the stable one is meant.
"""

from sqlalchemy import Connection

from fake_harness.pipeline.templates import TemplateLookup, TemplateRef
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKey, EntityKind, EntityQuery, scoped_key


def template_lookup(
    connection: Connection, *, account: str, org: str, project: str
) -> TemplateLookup:
    """Return the templates that a pipeline of this scope can refer to."""

    def lookup(reference: TemplateRef) -> str | None:
        key = scoped_key(
            EntityKind.TEMPLATE,
            reference.ref,
            account=account,
            org=org,
            project=project,
            parent=reference.version,
        )
        found = entities.get(connection, key) if reference.version else stable(connection, key)
        return None if found is None else found.yaml

    return lookup


def stable(connection: Connection, key: EntityKey) -> Entity | None:
    """Return the stable version of the template that `key` names, whatever its parent."""
    found = versions(connection, key)
    return next((version for version in found if version.body.get("stable")), None)


def versions(connection: Connection, key: EntityKey) -> tuple[Entity, ...]:
    """Return every version of the template that `key` names, whatever its parent."""
    query = EntityQuery(
        kind=EntityKind.TEMPLATE,
        account=key.account,
        org=key.org,
        project=key.project,
        identifiers=(key.identifier,),
    )
    return entities.list_all(connection, query)
