"""Named leases: of several processes that could do a job, the one that does."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from fake_harness.store.tables import leases
from fake_harness.store.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who holds a name, since when and until when."""

    name: str
    owner: str
    since: datetime
    until: datetime


def take_or_renew(
    connection: Connection, name: str, owner: str, *, now: datetime, for_s: float
) -> bool:
    """Take a free or expired lease, or renew one's own; False when another holds it."""
    until = now + timedelta(seconds=for_s)
    values = {"name": name, "owner": owner, "since": now, "until": until}
    if connection.execute(
        upsert(connection, leases).values(values).on_conflict_do_nothing()
    ).rowcount:
        return True
    if connection.execute(
        update(leases).where(leases.c.name == name, leases.c.owner == owner).values(until=until)
    ).rowcount:
        return True
    taken = connection.execute(
        update(leases)
        .where(leases.c.name == name, leases.c.until <= now)
        .values(owner=owner, since=now, until=until)
    )
    return bool(taken.rowcount)


def release(connection: Connection, name: str, owner: str) -> None:
    """Give a lease back early. Safe to repeat."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))


def get_lease(connection: Connection, name: str) -> Lease | None:
    """Return the lease, or None."""
    row = connection.execute(select(leases).where(leases.c.name == name)).mappings().first()
    return None if row is None else Lease(**row)
