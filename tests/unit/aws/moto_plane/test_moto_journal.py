"""Entries come back as they were written; a torn tail ends the file."""

from pathlib import Path

import pytest

from sandbox.aws.moto_plane.blobs import BlobStore
from sandbox.aws.moto_plane.journal import BLOB_FROM_BYTES, Entry, Journal, read_segment
from sandbox.aws.wire import HeaderMap, WireRequest


def entry(body: bytes) -> Entry:
    request = WireRequest(
        method="PUT",
        path="/bucket/ü",
        query_string="x=1",
        headers=HeaderMap({"Content-Type": "a/b"}),
        body=body,
        raw_uri="/bucket/%C3%BC?x=1",
    )
    return Entry(
        service="s3",
        request=request,
        now=1.5,
        seed="ab",
        recorded=[b"\x00key"],
        answer_crc=7,
    )


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.mark.parametrize(
    "body", [b"", b"line\nline\x00", b"x" * BLOB_FROM_BYTES], ids=["empty", "inline", "blob"]
)
def test_entry_comes_back_as_it_was_written(tmp_path: Path, blobs: BlobStore, body: bytes) -> None:
    journal = Journal(tmp_path / "j", blobs)
    journal.append(entry(body))
    journal.append(entry(b"second"))
    assert list(read_segment(tmp_path / "j", blobs)) == [entry(body), entry(b"second")]
    assert journal.entries == 2


def test_every_cut_of_the_last_entry_drops_it_and_only_it(tmp_path: Path, blobs: BlobStore) -> None:
    journal = Journal(tmp_path / "j", blobs)
    journal.append(entry(b"one"))
    whole = journal.size_bytes
    journal.append(entry(b"two"))
    content = (tmp_path / "j").read_bytes()
    for length in range(whole, len(content)):
        (tmp_path / "cut").write_bytes(content[:length])
        assert list(read_segment(tmp_path / "cut", blobs)) == [entry(b"one")]
        assert (tmp_path / "cut").stat().st_size == whole


def test_damaged_entry_ends_the_file(tmp_path: Path, blobs: BlobStore) -> None:
    journal = Journal(tmp_path / "j", blobs)
    journal.append(entry(b"one"))
    first = journal.size_bytes
    journal.append(entry(b"two"))
    content = bytearray((tmp_path / "j").read_bytes())
    content[first + 20] ^= 1
    (tmp_path / "j").write_bytes(content)
    assert list(read_segment(tmp_path / "j", blobs)) == [entry(b"one")]


def test_blobs_that_nobody_names_are_deleted(tmp_path: Path, blobs: BlobStore) -> None:
    kept, dropped = blobs.put(b"kept"), blobs.put(b"dropped")
    blobs.keep_only({kept})
    assert blobs.get(kept) == b"kept"
    with pytest.raises(FileNotFoundError):
        blobs.get(dropped)
