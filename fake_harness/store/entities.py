"""Entities of any kind (projects, connectors, services, pipelines, ...) with versions.

It knows nothing of their YAML; `body` is what the API answers, `yaml` is kept verbatim.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    String,
    and_,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from fake_harness.errors import HarnessError, not_found
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store.tables import entities


class EntityKind(StrEnum):
    """The kinds in use; a key's `kind` may be any other word too."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    CONNECTOR = "connector"
    SECRET = "secret"  # noqa: S105 - a kind, not a password
    SERVICE = "service"
    ENVIRONMENT = "environment"
    INFRASTRUCTURE = "infrastructure"
    """parent = environment identifier"""
    PIPELINE = "pipeline"
    INPUT_SET = "input_set"
    """parent = pipeline identifier"""
    OVERLAY_INPUT_SET = "overlay_input_set"
    """parent = pipeline identifier"""
    TRIGGER = "trigger"
    """parent = pipeline identifier"""
    TEMPLATE = "template"
    """parent = version label; `body.stable` tells the stable one"""
    VARIABLE = "variable"
    FILE = "file"
    USER_GROUP = "user_group"
    SERVICE_OVERRIDE = "service_override"
    """parent = environment identifier"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityKey:
    """Where an entity is. Empty `project` means org scope, empty `org` account scope."""

    kind: str
    account: str
    org: str = ""
    project: str = ""
    identifier: str
    parent: str = ""

    @property
    def text(self) -> str:
        """The key in one line, for messages and as encryption context."""
        scope = f"{self.account}/{self.org}/{self.project}/{self.parent}"
        return f"{self.kind}:{scope}/{self.identifier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityContent:
    """What a write sets; everything else is the store's."""

    name: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    body: JsonObject = field(default_factory=dict)
    yaml: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A stored entity. `version` grows by one with each update, from 0."""

    id: int
    key: EntityKey
    name: str
    description: str
    tags: Mapping[str, str]
    body: JsonObject
    yaml: str
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def identifier(self) -> str:
        """The key's identifier."""
        return self.key.identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityQuery:
    """Filters of a list; None means any.

    `org` and `project` match exactly (`""` = entities of the wider scope only).
    `search` looks in name, identifier, description and tags, ignoring case.
    `body` compares top-level members of the body (`{"type": "Aws"}`).
    """

    kind: str
    account: str
    org: str | None = None
    project: str | None = None
    parent: str | None = None
    identifiers: tuple[str, ...] | None = None
    search: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)
    sort: str = "created_at"
    """created_at | updated_at | name | identifier"""
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPage:
    """One page and the number of all matches."""

    items: tuple[Entity, ...]
    total: int


def scoped_key(
    kind: str, ref: str, *, account: str, org: str, project: str, parent: str = ""
) -> EntityKey:
    """Return the key that a reference means: `account.x`, `org.x`, or `x` in the project."""
    scope, dot, identifier = ref.partition(".")
    if dot and scope == "account":
        return EntityKey(kind=kind, account=account, identifier=identifier, parent=parent)
    if dot and scope == "org":
        return EntityKey(kind=kind, account=account, org=org, identifier=identifier, parent=parent)
    return EntityKey(
        kind=kind, account=account, org=org, project=project, identifier=ref, parent=parent
    )


def create(
    connection: Connection, key: EntityKey, content: EntityContent, *, now: datetime
) -> Entity:
    """Store a new entity; HarnessError `DUPLICATE_FIELD` when the key is taken."""
    values = {**asdict(key), **_values(content), "created_at": now, "updated_at": now}
    try:
        with connection.begin_nested():
            connection.execute(entities.insert().values(values))
    except IntegrityError as error:
        raise HarnessError(
            "DUPLICATE_FIELD",
            f"The {key.kind} with identifier [{key.identifier}] already exists in this scope. "
            "Choose another identifier.",
        ) from error
    return require(connection, key)


def get(connection: Connection, key: EntityKey) -> Entity | None:
    """Return the entity, or None."""
    row = connection.execute(select(entities).where(_at(key))).mappings().first()
    return None if row is None else _entity(row)


def require(connection: Connection, key: EntityKey) -> Entity:
    """Return the entity; HarnessError `ENTITY_NOT_FOUND` when there is none."""
    entity = get(connection, key)
    if entity is None:
        raise not_found(key.kind.replace("_", " ").capitalize(), key.identifier)
    return entity


def replace(
    connection: Connection,
    key: EntityKey,
    content: EntityContent,
    *,
    now: datetime,
    expected_version: int | None = None,
) -> Entity:
    """Overwrite an entity that exists.

    Raises HarnessError `ENTITY_NOT_FOUND`, or `INVALID_REQUEST` when somebody else changed
    it since `expected_version`.
    """
    found = require(connection, key)
    if expected_version is not None and found.version != expected_version:
        message = f"The {key.kind} [{key.identifier}] was changed by someone else; read it again."
        raise HarnessError("INVALID_REQUEST", message)
    connection.execute(
        update(entities)
        .where(entities.c.id == found.id)
        .values(**_values(content), updated_at=now, version=entities.c.version + 1)
    )
    return require(connection, key)


def upsert(
    connection: Connection, key: EntityKey, content: EntityContent, *, now: datetime
) -> Entity:
    """Create the entity or overwrite it. Safe to repeat."""
    if get(connection, key) is None:
        return create(connection, key, content, now=now)
    return replace(connection, key, content, now=now)


def remove(connection: Connection, key: EntityKey) -> bool:
    """Delete the entity with its secret value or file content; False when absent."""
    return connection.execute(delete(entities).where(_at(key))).rowcount > 0


def remove_scope(connection: Connection, *, account: str, org: str, project: str = "") -> int:
    """Delete everything inside an organization or a project (not the thing itself)."""
    where = [entities.c.account == account, entities.c.org == org]
    if project:
        where.append(entities.c.project == project)
    return connection.execute(delete(entities).where(and_(*where))).rowcount


def remove_children(connection: Connection, kind: str, *, of: EntityKey) -> int:
    """Delete the entities of `kind` whose parent is `of` (input sets of a pipeline)."""
    condition = and_(
        entities.c.kind == kind,
        entities.c.account == of.account,
        entities.c.org == of.org,
        entities.c.project == of.project,
        entities.c.parent == of.identifier,
    )
    return connection.execute(delete(entities).where(condition)).rowcount


def list_page(
    connection: Connection, query: EntityQuery, *, page: int = 0, size: int = 50
) -> EntityPage:
    """Return page `page` (0-based) of the matches."""
    column = entities.c[query.sort]
    order = column.desc() if query.descending else column.asc()
    statement = _matching(query).order_by(order, entities.c.id)
    rows = connection.execute(statement.limit(size).offset(page * size)).mappings()
    return EntityPage(items=tuple(map(_entity, rows)), total=count(connection, query))


def list_all(connection: Connection, query: EntityQuery) -> tuple[Entity, ...]:
    """Return every match, oldest first."""
    rows = connection.execute(_matching(query).order_by(entities.c.id)).mappings()
    return tuple(map(_entity, rows))


def count(connection: Connection, query: EntityQuery) -> int:
    """Return the number of matches."""
    statement = select(func.count()).select_from(_matching(query).subquery())
    return connection.execute(statement).scalar_one()


def _values(content: EntityContent) -> dict[str, object]:
    return {
        "name": content.name,
        "description": content.description,
        "tags": dict(content.tags),
        "body": dict(content.body),
        "yaml": content.yaml,
    }


def _at(key: EntityKey) -> ColumnElement[bool]:
    return and_(*(entities.c[name] == value for name, value in asdict(key).items()))


def _matching(query: EntityQuery) -> Select[tuple[object, ...]]:
    column = entities.c
    statement = select(entities).where(column.kind == query.kind, column.account == query.account)
    for name in ("org", "project", "parent"):
        value = getattr(query, name)
        if value is not None:
            statement = statement.where(column[name] == value)
    if query.identifiers is not None:
        statement = statement.where(column.identifier.in_(query.identifiers))
    if query.search:
        needle = query.search.lower()
        places = (column.name, column.identifier, column.description, cast(column.tags, String))
        statement = statement.where(
            or_(*(func.lower(place).contains(needle, autoescape=True) for place in places))
        )
    for name, value in query.body.items():
        statement = statement.where(column.body[name].as_string() == value)
    for name, value in query.tags.items():
        statement = statement.where(column.tags[name].as_string() == value)
    return statement


def _entity(row: RowMapping) -> Entity:
    key = EntityKey(
        kind=row["kind"],
        account=row["account"],
        org=row["org"],
        project=row["project"],
        parent=row["parent"],
        identifier=row["identifier"],
    )
    return Entity(
        id=row["id"],
        key=key,
        name=row["name"],
        description=row["description"],
        tags=row["tags"],
        body=row["body"],
        yaml=row["yaml"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
