"""Log lines by key and offset; text arrives masked from the delegate and is kept as it is.

An offset is the number of lines that were accepted before: a repeated append is cut, never
doubled, and a reader goes on from the number of lines that it has.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from fake_harness.errors import HarnessError
from fake_harness.store.tables import log_chunks, log_streams
from fake_harness.store.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStream:
    """One log: `lines` were accepted so far."""

    account: str
    key: str
    lines: int
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSlice:
    """Lines from an offset on. `closed` means that nothing will follow `next_offset`."""

    lines: tuple[str, ...]
    next_offset: int
    closed: bool


def open_stream(connection: Connection, account: str, key: str, *, now: datetime) -> LogStream:
    """Make the stream when it is missing. Safe to repeat."""
    values = {"account": account, "key": key, "lines": 0, "opened_at": now}
    connection.execute(upsert(connection, log_streams).values(values).on_conflict_do_nothing())
    stream = get_stream(connection, account, key)
    assert stream is not None  # noqa: S101 - written by the statement above
    return stream


def get_stream(connection: Connection, account: str, key: str) -> LogStream | None:
    """Return the stream, or None."""
    statement = select(log_streams).where(
        log_streams.c.account == account, log_streams.c.key == key
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else LogStream(**row)


def append_lines(
    connection: Connection,
    account: str,
    key: str,
    *,
    lines: list[str],
    offset: int,
    now: datetime,
) -> int:
    """Append NDJSON lines (no line ends) and return the number of lines now accepted.

    `offset` is how many lines the writer believes were accepted; what is already here is
    skipped. Raises HarnessError when lines would be missing in between.
    """
    stream = open_stream(connection, account, key, now=now)
    if offset > stream.lines:
        raise HarnessError(
            "INVALID_REQUEST",
            f"Log [{key}] has {stream.lines} lines; offset {offset} would leave a gap.",
        )
    fresh = lines[stream.lines - offset :]
    if not fresh:
        return stream.lines
    total = stream.lines + len(fresh)
    connection.execute(
        log_chunks.insert().values(
            account=account,
            key=key,
            first_line=stream.lines,
            lines=len(fresh),
            data="\n".join(fresh),
        )
    )
    connection.execute(
        update(log_streams)
        .where(log_streams.c.account == account, log_streams.c.key == key)
        .values(lines=total)
    )
    return total


def close_stream(connection: Connection, account: str, key: str, *, now: datetime) -> None:
    """Note that the log is complete. Safe to repeat; opens the stream when it was never."""
    open_stream(connection, account, key, now=now)
    connection.execute(
        update(log_streams)
        .where(
            log_streams.c.account == account,
            log_streams.c.key == key,
            log_streams.c.closed_at.is_(None),
        )
        .values(closed_at=now)
    )


def read_lines(
    connection: Connection, account: str, key: str, *, offset: int = 0, limit: int = 10_000
) -> LogSlice | None:
    """Return up to `limit` lines from `offset` on; None when there is no such log."""
    stream = get_stream(connection, account, key)
    if stream is None:
        return None
    chunk = log_chunks.c
    statement = (
        select(chunk.first_line, chunk.data)
        .where(chunk.account == account, chunk.key == key, chunk.first_line + chunk.lines > offset)
        .order_by(chunk.first_line)
    )
    lines: list[str] = []
    for first_line, data in connection.execute(statement):
        lines += data.split("\n")[max(0, offset - first_line) :]
        if len(lines) >= limit:
            break
    kept = tuple(lines[:limit])
    end = offset + len(kept)
    return LogSlice(
        lines=kept, next_offset=end, closed=stream.closed_at is not None and end >= stream.lines
    )


def list_streams(connection: Connection, account: str, *, prefix: str) -> tuple[LogStream, ...]:
    """Return the logs whose key begins with `prefix`, in order of opening."""
    statement = (
        select(log_streams)
        .where(
            log_streams.c.account == account,
            log_streams.c.key.startswith(prefix, autoescape=True),
        )
        .order_by(log_streams.c.opened_at, log_streams.c.key)
    )
    return tuple(LogStream(**row) for row in connection.execute(statement).mappings())
