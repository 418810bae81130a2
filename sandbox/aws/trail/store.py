"""Events and permissions in one SQLite file; it knows nothing of requests.

Events are bounded by age and number. What `sandbox iam policy` needs is kept apart, one row
a distinct permission and caller, so that a busy day does not push it out.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.aws.trail.grants import Grant
from sandbox.types import JsonObject

PERMISSIONS_PATH = "/_sandbox/permissions"
"""Where the gateway answers every `Permission`, as JSON."""
KEPT_EVENTS = 50_000
KEPT_FOR = timedelta(days=90)
"""Source: CloudTrail user guide, "Working with CloudTrail event history"."""
MOST_OBJECTS = 50
"""So many objects of a bucket are told apart for one caller and action; then it is `*`."""
_PRUNE_EVERY = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    time REAL NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    username TEXT NOT NULL,
    access_key_id TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_time ON events (region, time DESC, number DESC);
CREATE INDEX IF NOT EXISTS events_by_id ON events (event_id);
CREATE TABLE IF NOT EXISTS resources (
    event INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (event, type, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS resources_by_name ON resources (name);
CREATE TABLE IF NOT EXISTS permissions (
    caller TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    passed_to TEXT NOT NULL,
    denied TEXT NOT NULL,
    calls INTEGER NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (caller, action, resource, passed_to, denied)
) WITHOUT ROWID;
"""
_COLUMNS = {
    "EventId": "event_id",
    "EventName": "name",
    "EventSource": "source",
    "Username": "username",
    "AccessKeyId": "access_key_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One management event."""

    event_id: str
    time: datetime
    region: str
    name: str
    source: str
    username: str
    access_key_id: str
    read_only: bool
    record: JsonObject
    resources: tuple[tuple[str, str], ...] = ()
    """(type, name)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A permission that a caller's calls needed."""

    caller: str
    grant: Grant
    denied: str = ""
    """The error code with which it was refused."""
    calls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What LookupEvents asks for."""

    region: str
    attribute: str = ""
    value: str = ""
    start: datetime | None = None
    end: datetime | None = None
    before: tuple[float, int] | None = None
    """Page on from this (time, number)."""
    limit: int = 50


class TrailStore:
    """The file. One connection, one writer; thread-safe."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        # A lost tail is allowed here (see recorder.py); a sync for each batch is not.
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(_SCHEMA)
        self._since_prune = 0
        self._objects: dict[tuple[str, str, str], set[str]] = {}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def write(self, events: Sequence[Event], permissions: Iterable[Permission]) -> None:
        """Append events and count permissions, in one transaction."""
        with self._lock, self._db:
            self._db.execute("BEGIN")
            for event in events:
                self._append(event)
            now = datetime.now(UTC).timestamp()
            self._db.executemany(
                "INSERT INTO permissions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET calls = calls + excluded.calls, last_at = excluded.last_at",
                [
                    (
                        one.caller,
                        one.grant.action,
                        self._resource(one),
                        one.grant.passed_to,
                        one.denied,
                        one.calls,
                        now,
                    )
                    for one in permissions
                ],
            )
            self._since_prune += len(events)
            if self._since_prune >= _PRUNE_EVERY:
                self._prune(now)

    def lookup(self, query: Query) -> list[tuple[int, Event]]:
        """Return events with their numbers, newest first."""
        where, values = _conditions(query)
        sql = (
            "SELECT number, event_id, time, region, name, source, username, access_key_id, "  # noqa: S608
            f"read_only, record FROM events WHERE {' AND '.join(where)} "
            "ORDER BY time DESC, number DESC LIMIT ?"
        )
        with self._lock:
            rows = self._db.execute(sql, [*values, query.limit]).fetchall()
            return [(row[0], self._event(row)) for row in rows]

    def permissions(self) -> list[Permission]:
        """Return every permission of every caller, sorted."""
        with self._lock:
            return _permissions(self._db)

    def _append(self, event: Event) -> None:
        record = zlib.compress(json.dumps(event.record, separators=(",", ":")).encode(), 1)
        number = self._db.execute(
            "INSERT INTO events (event_id, time, region, name, source, username, access_key_id, "
            "read_only, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.event_id,
                event.time.timestamp(),
                event.region,
                event.name,
                event.source,
                event.username,
                event.access_key_id,
                event.read_only,
                record,
            ),
        ).lastrowid
        self._db.executemany(
            "INSERT OR IGNORE INTO resources VALUES (?, ?, ?)",
            [(number, kind, name) for kind, name in event.resources],
        )

    def _resource(self, permission: Permission) -> str:
        """Return the resource to keep: of many objects in one bucket, all of them."""
        arn = permission.grant.resource
        bucket, slash, _ = arn.partition("/")
        if not slash or not arn.startswith("arn:aws:s3:::"):
            return arn
        key = (permission.caller, permission.grant.action, bucket)
        seen = self._objects.get(key)
        if seen is None:
            rows = self._db.execute(
                "SELECT resource FROM permissions WHERE caller = ? AND action = ? "
                "AND resource LIKE ? || '/%'",
                key,
            )
            seen = self._objects[key] = {row[0] for row in rows}
        if arn not in seen and len(seen) >= MOST_OBJECTS:
            return f"{bucket}/*"
        seen.add(arn)
        return arn

    def _prune(self, now: float) -> None:
        self._since_prune = 0
        self._db.execute("DELETE FROM events WHERE time < ?", [now - KEPT_FOR.total_seconds()])
        self._db.execute(
            "DELETE FROM events WHERE number <= (SELECT MAX(number) FROM events) - ?",
            [KEPT_EVENTS],
        )

    def _event(self, row: tuple[object, ...]) -> Event:
        number, event_id, time, region, name, source, username, key, read_only, record = row
        resources = self._db.execute(
            "SELECT type, name FROM resources WHERE event = ? ORDER BY type, name", [number]
        ).fetchall()
        assert isinstance(record, bytes)  # noqa: S101 - the column's type, for mypy
        return Event(
            event_id=str(event_id),
            time=datetime.fromtimestamp(float(str(time)), UTC),
            region=str(region),
            name=str(name),
            source=str(source),
            username=str(username),
            access_key_id=str(key),
            read_only=bool(read_only),
            record=json.loads(zlib.decompress(record)),
            resources=tuple(resources),
        )


def read_permissions(path: Path) -> list[Permission]:
    """Return what a trail that nobody serves now has kept; empty where there is none."""
    if not path.is_file():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return _permissions(db)


def _permissions(db: sqlite3.Connection) -> list[Permission]:
    rows = db.execute(
        "SELECT caller, action, resource, passed_to, denied, calls FROM permissions "
        "ORDER BY caller, action, resource, passed_to, denied"
    ).fetchall()
    return [
        Permission(
            caller=caller,
            grant=Grant(action=action, resource=resource, passed_to=passed_to),
            denied=denied,
            calls=calls,
        )
        for caller, action, resource, passed_to, denied, calls in rows
    ]


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    where, values = ["region = ?"], [query.region]
    found: list[object] = list(values)
    if query.start is not None:
        where.append("time >= ?")
        found.append(query.start.timestamp())
    if query.end is not None:
        where.append("time <= ?")
        found.append(query.end.timestamp())
    if query.before is not None:
        where.append("(time, number) < (?, ?)")
        found += query.before
    if query.attribute == "ReadOnly":
        where.append("read_only = ?")
        found.append(query.value.lower() == "true")
    elif query.attribute in {"ResourceName", "ResourceType"}:
        column = "name" if query.attribute == "ResourceName" else "type"
        where.append(f"number IN (SELECT event FROM resources WHERE {column} = ?)")  # noqa: S608
        found.append(query.value)
    elif query.attribute:
        where.append(f"{_COLUMNS[query.attribute]} = ?")
        found.append(query.value)
    return where, found
