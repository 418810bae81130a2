"""Records of our own services that outlive a restart; it knows nothing of their meaning.

Every table is held in memory and written through to one SQLite file (WAL). A write is
acknowledged only after its transaction is committed, so `kill -9` loses nothing.
"""

import functools
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from pydantic import TypeAdapter

R = TypeVar("R")
_GONE = object()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record(
  kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(kind, key)
) WITHOUT ROWID
"""


class RecordStore:
    """One file of records. Thread-safe; transactions nest and serialize on one lock."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the file at `path`; `None` keeps the records in memory."""
        self._lock = threading.RLock()
        self._depth = 0
        self._pending: dict[tuple[str, str], bytes | None] = {}
        self._undo: list[tuple[dict[str, object], str, object]] = []
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL: a commit survives the death of the process, which is the promise made.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)

    def table(self, kind: str, record_type: type[R]) -> "Table[R]":
        """Load the table `kind`, whose records are (frozen) dataclasses."""
        return Table(self, kind, record_type)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one durable change; an exception undoes all of it."""
        with self._lock:
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._roll_back()
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit()

    def close(self) -> None:
        """Close the file; the store must not be used afterwards."""
        with self._lock:
            self._db.close()

    def load(self, kind: str) -> dict[str, bytes]:
        """Read the stored bodies of `kind` by key."""
        with self._lock:
            rows = self._db.execute("SELECT key, body FROM record WHERE kind=?", (kind,))
            return dict(rows.fetchall())

    def stage(
        self,
        kind: str,
        key: str,
        body: bytes | None,
        undo: tuple[dict[str, object], object],
    ) -> None:
        """Add one write to the open transaction (used by `Table`)."""
        self._pending[kind, key] = body
        self._undo.append((undo[0], key, undo[1]))

    def _commit(self) -> None:
        pending, self._pending = self._pending, {}
        self._undo.clear()
        if not pending:
            return
        puts = [(k, key, b) for (k, key), b in pending.items() if b is not None]
        drops = [(k, key) for (k, key), b in pending.items() if b is None]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR REPLACE INTO record VALUES(?,?,?)", puts)
        self._db.executemany("DELETE FROM record WHERE kind=? AND key=?", drops)
        self._db.execute("COMMIT")

    def _roll_back(self) -> None:
        for cache, key, before in reversed(self._undo):
            if before is _GONE:
                cache.pop(key, None)
            else:
                cache[key] = before
        self._undo.clear()
        self._pending.clear()


class Table(Generic[R]):
    """Records of one kind by key. Reads are from memory; writes join a transaction."""

    def __init__(self, store: RecordStore, kind: str, record_type: type[R]) -> None:
        self._store = store
        self._kind = kind
        self._adapter: TypeAdapter[R] = _adapter(record_type)  # type: ignore[arg-type]  # a class is hashable
        self._cache: dict[str, object] = {
            key: self._adapter.validate_json(body) for key, body in store.load(kind).items()
        }

    def get(self, key: str) -> R | None:
        """Return the record at `key`, or None."""
        return self._cache.get(key)  # type: ignore[return-value]

    def put(self, key: str, record: R) -> None:
        """Write `record` at `key`."""
        with self._store.transaction():
            undo = (self._cache, self._cache.get(key, _GONE))
            self._store.stage(self._kind, key, self._adapter.dump_json(record), undo)
            self._cache[key] = record

    def delete(self, key: str) -> None:
        """Remove the record at `key`, if any."""
        with self._store.transaction():
            if key in self._cache:
                undo = (self._cache, self._cache.pop(key))
                self._store.stage(self._kind, key, None, undo)

    def values(self) -> tuple[R, ...]:
        """Return all records, oldest key first."""
        return tuple(self._cache.values())  # type: ignore[arg-type]

    def items(self) -> Mapping[str, R]:
        """Return a snapshot of the whole table."""
        return MappingProxyType(dict(self._cache))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._cache)


@functools.cache
def _adapter(record_type: type[R]) -> TypeAdapter[R]:
    """Return the reader and writer of a record type; building one takes milliseconds."""
    return TypeAdapter(record_type)
