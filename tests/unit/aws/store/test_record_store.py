"""Records are there after a reopen, and a failed transaction leaves nothing."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.aws.store import RecordStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    name: str
    tags: dict[str, str]


def cluster(name: str) -> Cluster:
    return Cluster(name=name, tags={"a": "b"})


def test_records_are_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "records.sqlite"
    RecordStore(path).table("cluster", Cluster).put("c", cluster("c"))  # never closed
    assert RecordStore(path).table("cluster", Cluster).get("c") == cluster("c")


def test_failed_transaction_undoes_all_its_tables(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "r")
    clusters, services = store.table("cluster", Cluster), store.table("service", Cluster)
    clusters.put("kept", cluster("old"))
    clusters.put("deleted", cluster("d"))

    def change() -> None:
        with store.transaction():
            clusters.put("kept", cluster("new"))
            clusters.delete("deleted")
            with store.transaction():
                services.put("s", cluster("s"))
            raise KeyError

    with pytest.raises(KeyError):
        change()
    assert clusters.items() == {"kept": cluster("old"), "deleted": cluster("d")}
    assert len(services) == 0
    again = RecordStore(tmp_path / "r")
    assert again.table("cluster", Cluster).items() == clusters.items()


def test_nested_transactions_commit_once_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "r"
    store = RecordStore(path)
    table = store.table("cluster", Cluster)
    with store.transaction():
        with store.transaction():
            table.put("a", cluster("a"))
        assert sqlite3.connect(path).execute("SELECT count(*) FROM record").fetchone() == (0,)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM record").fetchone() == (1,)


def test_deleted_record_stays_deleted(tmp_path: Path) -> None:
    table = RecordStore(tmp_path / "r").table("cluster", Cluster)
    table.put("a", cluster("a"))
    table.delete("a")
    table.delete("a")
    assert RecordStore(tmp_path / "r").table("cluster", Cluster).values() == ()
