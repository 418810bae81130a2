"""An append-only file of requests. It knows framing and torn tails, not what they mean.

    entry = length (4 bytes) | CRC-32 (4 bytes) | JSON head | newline | body

An append is one write() and durable on return against the death of the process. An entry
that was cut off by such a death was never acknowledged; it ends the file.
"""

import json
import os
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.moto_plane.blobs import BlobStore
from sandbox.aws.wire import HeaderMap, WireRequest

_FRAME = struct.Struct(">II")
BLOB_FROM_BYTES = 65_536
"""Bodies of this size and more lie in the blob store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request that was run, with what is needed to run it again."""

    service: str
    request: WireRequest
    now: float
    seed: str
    recorded: Sequence[bytes]
    answer_crc: int
    """CRC-32 of the answer's body, to notice a replay that went another way."""


class Journal:
    """One segment of the journal, open for appending."""

    def __init__(self, path: Path, blobs: BlobStore) -> None:
        """Open or create the segment at `path`."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._blobs = blobs
        self.entries = 0
        self.size_bytes = 0
        self.blob_names: set[str] = set()

    def append(self, entry: Entry) -> None:
        """Write one entry."""
        head = _head(entry)
        body = entry.request.body
        if len(body) >= BLOB_FROM_BYTES:
            name = self._blobs.put(body)
            self.blob_names.add(name)
            head["blob"] = name
            body = b""
        payload = json.dumps(head, separators=(",", ":")).encode() + b"\n" + body
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        written = 0
        while written < len(frame):
            written += os.write(self._file, frame[written:])
        self.entries += 1
        self.size_bytes += len(frame)

    def close(self) -> None:
        """Close the segment."""
        os.close(self._file)


def read_segment(path: Path, blobs: BlobStore) -> Iterator[Entry]:
    """Yield the entries of a segment, and cut off a torn tail."""
    with path.open("r+b") as file:
        while True:
            start = file.tell()
            frame = file.read(_FRAME.size)
            length, crc = _FRAME.unpack(frame) if len(frame) == _FRAME.size else (0, 0)
            payload = file.read(length)
            if not payload or len(payload) < length or zlib.crc32(payload) != crc:
                file.truncate(start)
                return
            yield _entry(payload, blobs)


def _head(entry: Entry) -> dict[str, object]:
    request = entry.request
    return {
        "service": entry.service,
        "method": request.method,
        "path": request.path,
        "query": request.query_string,
        "uri": request.raw_uri,
        "headers": dict(request.headers),
        "now": entry.now,
        "seed": entry.seed,
        "recorded": [b64encode(value).decode() for value in entry.recorded],
        "crc": entry.answer_crc,
    }


def _entry(payload: bytes, blobs: BlobStore) -> Entry:
    line, _, body = payload.partition(b"\n")
    head = json.loads(line)
    headers: Mapping[str, str] = head["headers"]
    request = WireRequest(
        method=head["method"],
        path=head["path"],
        query_string=head["query"],
        headers=HeaderMap(headers),
        body=blobs.get(head["blob"]) if "blob" in head else body,
        raw_uri=head["uri"],
    )
    return Entry(
        service=head["service"],
        request=request,
        now=head["now"],
        seed=head["seed"],
        recorded=[b64decode(value) for value in head["recorded"]],
        answer_crc=head["crc"],
    )
