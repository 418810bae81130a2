"""Delegates: registration, heartbeats and the tokens that they register with.

Tasks are in `delegate_tasks.py`.
"""

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from fake_harness.crypto import Cipher
from fake_harness.errors import HarnessError
from fake_harness.store.tables import delegate_tokens, delegates

HEARTBEAT_EXPIRY_S = 60.0
"""A delegate that was silent for longer is not connected. Unverified: real ones take ~5 min."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a delegate says about itself."""

    name: str
    host_name: str = ""
    version: str = ""
    type: str = ""
    token_name: str = ""
    tags: Sequence[str] = ()
    supported_task_types: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """A delegate that has registered at least once."""

    id: str
    account: str
    name: str
    host_name: str
    version: str
    type: str
    token_name: str
    tags: Sequence[str]
    supported_task_types: Sequence[str]
    created_at: datetime
    registered_at: datetime
    heartbeat_at: datetime

    def is_connected(self, now: datetime) -> bool:
        """True when it was heard of lately."""
        return now - self.heartbeat_at < timedelta(seconds=HEARTBEAT_EXPIRY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateToken:
    """A token's public facts. `status`: ACTIVE | REVOKED."""

    account: str
    org: str
    project: str
    name: str
    status: str
    created_at: datetime
    created_by: str


def register(
    connection: Connection, account: str, registration: Registration, *, now: datetime
) -> Delegate:
    """Store a delegate; the same name keeps its id.

    A new registration means a new process: tasks that the earlier one held are offered to it
    again (`delegate_tasks.offers`).
    """
    values = {
        "host_name": registration.host_name,
        "version": registration.version,
        "type": registration.type,
        "token_name": registration.token_name,
        "tags": list(registration.tags),
        "supported_task_types": list(registration.supported_task_types),
        "registered_at": now,
        "heartbeat_at": now,
    }
    where = (delegates.c.account == account, delegates.c.name == registration.name)
    if not connection.execute(update(delegates).where(*where).values(values)).rowcount:
        identifier = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        connection.execute(
            delegates.insert().values(
                **values, id=identifier, account=account, name=registration.name, created_at=now
            )
        )
    row = connection.execute(select(delegates).where(*where)).mappings().one()
    return Delegate(**row)


def heartbeat(connection: Connection, delegate_id: str, *, now: datetime) -> bool:
    """Note that a delegate lives; False when it is unknown. Renew its leases beside this."""
    statement = update(delegates).where(delegates.c.id == delegate_id).values(heartbeat_at=now)
    return bool(connection.execute(statement).rowcount)


def get_delegate(connection: Connection, delegate_id: str) -> Delegate | None:
    """Return one delegate, or None."""
    row = connection.execute(select(delegates).where(delegates.c.id == delegate_id))
    found = row.mappings().first()
    return None if found is None else Delegate(**found)


def list_delegates(connection: Connection, account: str) -> tuple[Delegate, ...]:
    """Return the delegates of an account by name."""
    statement = select(delegates).where(delegates.c.account == account).order_by(delegates.c.name)
    return tuple(Delegate(**row) for row in connection.execute(statement).mappings())


def create_token(
    connection: Connection, token: DelegateToken, value: str, *, cipher: Cipher
) -> DelegateToken:
    """Store a token; HarnessError `DUPLICATE_FIELD` when an active one has the name."""
    where = _token_at(token.account, token.name, token.org, token.project)
    found = connection.execute(select(delegate_tokens.c.status).where(*where)).scalar()
    if found == "ACTIVE":
        message = f"Delegate token with name [{token.name}] already exists."
        raise HarnessError("DUPLICATE_FIELD", message)
    connection.execute(delegate_tokens.delete().where(*where))
    connection.execute(
        delegate_tokens.insert().values(
            account=token.account,
            org=token.org,
            project=token.project,
            name=token.name,
            status=token.status,
            created_at=token.created_at,
            created_by=token.created_by,
            ciphertext=cipher.encrypt(value.encode(), context=_context(token.account, token.name)),
        )
    )
    return token


def revoke_token(
    connection: Connection, account: str, name: str, *, org: str = "", project: str = ""
) -> bool:
    """Make a token useless; False when there is no such active token."""
    where = (*_token_at(account, name, org, project), delegate_tokens.c.status == "ACTIVE")
    statement = update(delegate_tokens).where(*where).values(status="REVOKED")
    return bool(connection.execute(statement).rowcount)


def list_tokens(
    connection: Connection, account: str, *, status: str = "", name: str = ""
) -> tuple[DelegateToken, ...]:
    """Return the tokens of an account by name."""
    statement = select(delegate_tokens).where(delegate_tokens.c.account == account)
    if status:
        statement = statement.where(delegate_tokens.c.status == status)
    if name:
        statement = statement.where(delegate_tokens.c.name == name)
    rows = connection.execute(statement.order_by(delegate_tokens.c.name)).mappings()
    return tuple(map(_token, rows))


def reveal_tokens(connection: Connection, account: str, *, cipher: Cipher) -> dict[str, str]:
    """Return name -> value of the active tokens, to check a delegate's credentials."""
    statement = select(delegate_tokens).where(
        delegate_tokens.c.account == account, delegate_tokens.c.status == "ACTIVE"
    )
    return {
        row["name"]: cipher.decrypt(
            row["ciphertext"], context=_context(account, row["name"])
        ).decode()
        for row in connection.execute(statement).mappings()
    }


def _context(account: str, name: str) -> str:
    return f"delegate_token:{account}/{name}"


def _token_at(account: str, name: str, org: str, project: str) -> tuple[ColumnElement[bool], ...]:
    column = delegate_tokens.c
    return (
        column.account == account,
        column.name == name,
        column.org == org,
        column.project == project,
    )


def _token(row: RowMapping) -> DelegateToken:
    return DelegateToken(**{key: value for key, value in row.items() if key != "ciphertext"})
