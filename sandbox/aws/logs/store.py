"""Log streams and events in one SQLite file; it knows no API and no filter pattern.

An event's place is `Position(timestamp_ms, sequence)`: by time, then by arrival.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.ports import LogEvent

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream(
  id INTEGER PRIMARY KEY,
  region TEXT NOT NULL, log_group TEXT NOT NULL, name TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  first_ms INTEGER, last_ms INTEGER, ingested_ms INTEGER,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  cursor INTEGER NOT NULL DEFAULT 0,
  UNIQUE(region, log_group, name)
);
CREATE TABLE IF NOT EXISTS event(
  stream_id INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, sequence INTEGER NOT NULL,
  ingested_ms INTEGER NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY(stream_id, timestamp_ms, sequence)
) WITHOUT ROWID;
"""

OVERHEAD_BYTES = 26
"""What each event weighs beyond its text. Source: API Reference, PutLogEvents."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """Place of an event among all events; compares by time, then by arrival."""

    timestamp_ms: int
    sequence: int


START = Position(timestamp_ms=-1, sequence=0)
END = Position(timestamp_ms=2**62, sequence=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A log stream and what is known of its events."""

    id: int
    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    ingested_ms: int | None
    size_bytes: int
    cursor: int
    """How far its source was read, where it is a container's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event with its place."""

    position: Position
    stream: str
    ingested_ms: int
    message: str


class EventStore:
    """One file of streams and events. Thread-safe; a write is durable on return."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._writing = threading.Lock()
        self._readers = threading.local()
        self._db = self._connect()
        self._db.executescript(_SCHEMA)
        self._add_cursor()
        row = self._db.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()
        self._sequence = int(row[0])

    def create_stream(self, region: str, group: str, name: str, now_ms: int) -> bool:
        """Create the stream; False when it is there already."""
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO stream(region, log_group, name, created_ms) VALUES(?,?,?,?)",
                (region, group, name, now_ms),
            )
            return cursor.rowcount == 1

    def append(
        self, stream: Stream, events: Sequence[LogEvent], now_ms: int, *, cursor: int = 0
    ) -> None:
        """Append events to a stream, unless it has had those up to `cursor` already."""
        times = [event.timestamp_ms for event in events]
        size = sum(len(event.message.encode()) + OVERHEAD_BYTES for event in events)
        with self._transaction() as db:
            if cursor and cursor <= self._cursor(db, stream):
                return
            rows = [
                (stream.id, event.timestamp_ms, self._sequence + number, now_ms, event.message)
                for number, event in enumerate(events, start=1)
            ]
            db.executemany("INSERT INTO event VALUES(?,?,?,?,?)", rows)
            db.execute(
                "UPDATE stream SET first_ms = min(coalesce(first_ms, ?1), ?1), "
                "last_ms = max(coalesce(last_ms, ?2), ?2), ingested_ms = ?3, "
                "size_bytes = size_bytes + ?4, cursor = max(cursor, ?6) WHERE id = ?5",
                (min(times), max(times), now_ms, size, stream.id, cursor),
            )
            self._sequence += len(events)

    def delete_streams(self, region: str, group: str, name: str | None = None) -> int:
        """Delete one stream, or all of a group, with its events; returns how many."""
        with self._transaction() as db:
            found = [s.id for s in self._select(db, region, group) if name in {None, s.name}]
            db.executemany("DELETE FROM event WHERE stream_id = ?", [(i,) for i in found])
            db.executemany("DELETE FROM stream WHERE id = ?", [(i,) for i in found])
            return len(found)

    def stream(self, region: str, group: str, name: str) -> Stream | None:
        """Return one stream, or None."""
        return next(iter(self._select(self._reader(), region, group, name)), None)

    def streams(self, region: str, group: str) -> Sequence[Stream]:
        """Return all streams of a group, by name."""
        return self._select(self._reader(), region, group)

    def size_bytes(self, region: str, group: str) -> int:
        """Return how much the events of a group weigh."""
        row = self._reader().execute(
            "SELECT coalesce(sum(size_bytes), 0) FROM stream WHERE region = ? AND log_group = ?",
            (region, group),
        )
        return int(row.fetchone()[0])

    def read(
        self,
        streams: Sequence[Stream],
        *,
        after: Position = START,
        before: Position = END,
        start_ms: int = 0,
        end_ms: int = 2**62,
        backward: bool = False,
        limit: int,
    ) -> Sequence[StoredEvent]:
        """Return at most `limit` events of `streams`, in order.

        Args:
            streams: where to look.
            after: exclusive lower bound.
            before: exclusive upper bound.
            start_ms: inclusive lower bound of time.
            end_ms: exclusive upper bound of time.
            backward: take the last events below the bound instead of the first above.
            limit: how many at most.

        """
        names = {stream.id: stream.name for stream in streams}
        marks = ",".join("?" * len(names))
        order = "DESC" if backward else "ASC"
        rows = (
            self._reader()
            .execute(
                "SELECT stream_id, timestamp_ms, sequence, ingested_ms, message FROM event "  # noqa: S608 - only marks and a direction are put in
                f"WHERE stream_id IN ({marks}) AND timestamp_ms >= ? AND timestamp_ms < ? "
                "AND (timestamp_ms, sequence) > (?, ?) AND (timestamp_ms, sequence) < (?, ?) "
                f"ORDER BY timestamp_ms {order}, sequence {order} LIMIT ?",
                (
                    *names,
                    max(start_ms, after.timestamp_ms),
                    end_ms,
                    after.timestamp_ms,
                    after.sequence,
                    before.timestamp_ms,
                    before.sequence,
                    limit,
                ),
            )
            .fetchall()
        )
        events = [
            StoredEvent(
                position=Position(timestamp_ms=timestamp_ms, sequence=sequence),
                stream=names[stream_id],
                ingested_ms=ingested_ms,
                message=message,
            )
            for stream_id, timestamp_ms, sequence, ingested_ms, message in rows
        ]
        return events[::-1] if backward else events

    def close(self) -> None:
        """Close the writing connection."""
        with self._writing:
            self._db.close()

    @staticmethod
    def _cursor(db: sqlite3.Connection, stream: Stream) -> int:
        row = db.execute("SELECT cursor FROM stream WHERE id = ?", (stream.id,)).fetchone()
        return 0 if row is None else int(row[0])

    def _add_cursor(self) -> None:
        """Bring a file of an earlier release up to date."""
        columns = {row[1] for row in self._db.execute("PRAGMA table_info(stream)")}
        if "cursor" not in columns:
            self._db.execute("ALTER TABLE stream ADD COLUMN cursor INTEGER NOT NULL DEFAULT 0")

    @staticmethod
    def _select(
        db: sqlite3.Connection, region: str, group: str, name: str | None = None
    ) -> Sequence[Stream]:
        rows = db.execute(
            "SELECT id, name, created_ms, first_ms, last_ms, ingested_ms, size_bytes, cursor "
            "FROM stream WHERE region = ?1 AND log_group = ?2 AND (?3 IS NULL OR name = ?3) "
            "ORDER BY name",
            (region, group, name),
        )
        return [
            Stream(
                id=row[0],
                name=row[1],
                created_ms=row[2],
                first_ms=row[3],
                last_ms=row[4],
                ingested_ms=row[5],
                size_bytes=row[6],
                cursor=row[7],
            )
            for row in rows
        ]

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        db.execute("PRAGMA journal_mode=WAL")
        # NORMAL: a commit survives the death of the process, which is the promise made.
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def _reader(self) -> sqlite3.Connection:
        # One connection a thread: a long read must not hold up what tasks write.
        if not hasattr(self._readers, "db"):
            self._readers.db = self._connect()
        db: sqlite3.Connection = self._readers.db
        return db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
