"""Streams and events in the store."""

import sqlite3
from pathlib import Path

import pytest

from sandbox.aws.logs.store import EventStore, Position, Stream
from sandbox.aws.ports import LogEvent

WHERE = ("us-east-1", "/ecs/app")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs.sqlite"


@pytest.fixture
def store(path: Path) -> EventStore:
    return EventStore(path)


def make(store: EventStore, name: str, *times: int) -> Stream:
    store.create_stream(*WHERE, name, 1)
    for time in times:
        append(store, name, time)
    return found(store, name)


def append(store: EventStore, name: str, time: int) -> None:
    event = LogEvent(timestamp_ms=time, message=f"{name}@{time}")
    store.append(found(store, name), [event], now_ms=100)


def found(store: EventStore, name: str) -> Stream:
    stream = store.stream(*WHERE, name)
    assert stream is not None
    return stream


def test_events_are_there_after_the_file_is_opened_again(path: Path) -> None:
    first = EventStore(path)
    make(first, "s", 5)
    again = EventStore(path)
    append(again, "s", 5)  # same time: a later place
    events = again.read(again.streams(*WHERE), limit=10)
    assert [e.message for e in events] == ["s@5", "s@5"]
    assert events[0].position < events[1].position


def test_stream_is_made_once(store: EventStore) -> None:
    assert store.create_stream(*WHERE, "s", 1)
    assert not store.create_stream(*WHERE, "s", 2)
    assert store.create_stream("eu-west-1", "/ecs/app", "s", 1)


def test_streams_merge_by_time_and_bounds_apply(store: EventStore) -> None:
    streams = [make(store, "a", 10, 30), make(store, "b", 20, 40)]
    read = store.read(streams, start_ms=20, end_ms=40, limit=10)
    assert [e.message for e in read] == ["b@20", "a@30"]
    last = store.read(streams, backward=True, limit=3)
    assert [e.message for e in last] == ["b@20", "a@30", "b@40"]
    after = store.read(streams, after=Position(timestamp_ms=20, sequence=10**9), limit=1)
    assert [e.message for e in after] == ["a@30"]


def test_stream_knows_its_first_and_last_event_whatever_the_order(store: EventStore) -> None:
    stream = make(store, "s", 30, 10, 20)
    assert (stream.first_ms, stream.last_ms, stream.ingested_ms) == (10, 30, 100)
    assert store.size_bytes(*WHERE) == stream.size_bytes == 3 * (len("s@30") + 26)


def test_deleting_a_stream_takes_its_events_and_leaves_the_others(store: EventStore) -> None:
    make(store, "a", 1)
    make(store, "b", 2)
    assert store.delete_streams(*WHERE, "a") == 1
    assert store.delete_streams(*WHERE, "a") == 0
    make(store, "a")
    assert [e.message for e in store.read(store.streams(*WHERE), limit=10)] == ["b@2"]


def test_events_up_to_a_cursor_are_taken_once(path: Path) -> None:
    event = LogEvent(timestamp_ms=5, message="line")
    store = EventStore(path)
    for cursor in (10, 10, 7, 20):
        store.append(make(store, "s"), [event], now_ms=100, cursor=cursor)
    assert found(EventStore(path), "s").cursor == 20
    assert len(store.read([found(store, "s")], limit=10)) == 2
    append(store, "s", 6)  # without a cursor, as PutLogEvents does
    assert found(store, "s").cursor == 20


def test_file_of_an_earlier_release_gets_its_cursor(path: Path) -> None:
    make(EventStore(path), "s", 5)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE stream DROP COLUMN cursor")
    db.close()
    again = EventStore(path)
    assert found(again, "s").cursor == 0
    assert len(again.read(again.streams(*WHERE), limit=10)) == 1
