"""Webhook events as they arrived, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Connection, select, update

from fake_harness.store.tables import webhook_events


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """One call of a webhook; `payload` is the body verbatim."""

    id: str
    account: str
    org: str = ""
    project: str = ""
    pipeline: str = ""
    trigger: str = ""
    source: str
    """Github | Custom | ..."""
    headers: Mapping[str, str]
    payload: str
    status: str = "QUEUED"
    """QUEUED | TARGET_EXECUTION_REQUESTED | NO_MATCHING_TRIGGER_FOR_EVENT | ..."""
    message: str = ""
    execution_ids: Sequence[str] = ()
    created_at: datetime
    processed_at: datetime | None = None


def insert_event(connection: Connection, event: WebhookEvent) -> None:
    """Store an event before anything is done about it."""
    values = {f.name: getattr(event, f.name) for f in fields(event)}
    connection.execute(webhook_events.insert().values(values))


def finish_event(
    connection: Connection,
    event_id: str,
    *,
    status: str,
    message: str,
    execution_ids: Sequence[str],
    now: datetime,
) -> None:
    """Record the outcome of an event."""
    connection.execute(
        update(webhook_events)
        .where(webhook_events.c.id == event_id)
        .values(status=status, message=message, execution_ids=list(execution_ids), processed_at=now)
    )


def get_event(connection: Connection, event_id: str) -> WebhookEvent | None:
    """Return one event, or None."""
    statement = select(webhook_events).where(webhook_events.c.id == event_id)
    row = connection.execute(statement).mappings().first()
    return None if row is None else WebhookEvent(**row)


def list_unprocessed(connection: Connection) -> tuple[WebhookEvent, ...]:
    """Return the events whose processing was cut short, oldest first."""
    statement = (
        select(webhook_events)
        .where(webhook_events.c.processed_at.is_(None))
        .order_by(webhook_events.c.created_at)
    )
    return tuple(WebhookEvent(**row) for row in connection.execute(statement).mappings())
