"""Contents of the file store beside their entities (kind `file`); folders have none."""

from sqlalchemy import Connection, select

from fake_harness.store.entities import Entity, EntityKind
from fake_harness.store.tables import entities, file_contents


def write_content(connection: Connection, entity: Entity, *, path: str, content: bytes) -> None:
    """Set the content of a file entity. `path` is absolute in its scope: `/ecs/task.yaml`."""
    connection.execute(file_contents.delete().where(file_contents.c.entity_id == entity.id))
    connection.execute(
        file_contents.insert().values(entity_id=entity.id, path=path, content=content)
    )


def read_content(connection: Connection, entity: Entity) -> bytes | None:
    """Return the content of a file entity, or None for a folder."""
    statement = select(file_contents.c.content).where(file_contents.c.entity_id == entity.id)
    return connection.execute(statement).scalar_one_or_none()


def read_by_reference(
    connection: Connection, reference: str, *, account: str, org: str, project: str
) -> bytes | None:
    """Return the content that a manifest names: `/a.yaml`, `org:/a.yaml`, `account:/a.yaml`.

    Source: file store reference, "Scopes".
    """
    scope, colon, path = reference.partition(":")
    if not colon:
        scope, path = "project", reference
    where = (
        entities.c.kind == EntityKind.FILE,
        entities.c.account == account,
        entities.c.org == ("" if scope == "account" else org),
        entities.c.project == (project if scope == "project" else ""),
        file_contents.c.path == "/" + path.lstrip("/"),
    )
    statement = select(file_contents.c.content).join_from(file_contents, entities).where(*where)
    return connection.execute(statement).scalars().first()
