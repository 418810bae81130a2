"""Content on disk by digest, and uploads on their way there; it knows no repository.

`<root>/sha256/ab/<hex>` holds a blob, `<root>/uploads/<id>` what has come of an upload.
A blob appears by one rename after its digest was verified, so a crash leaves none half.
"""

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 1 << 20
_FRESH_S = 3600


class UploadUnknownError(Exception):
    """There is no upload of that id."""


class UploadRangeError(Exception):
    """A chunk does not continue its upload; `size_bytes` is what has come."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the upload holds {size_bytes} bytes")
        self.size_bytes = size_bytes


class DigestMismatchError(Exception):
    """The content is not what its digest says."""


class BlobStore:
    """A folder of blobs. Thread-safe: files appear and vanish by single system calls."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uploads = root / "uploads"
        self._uploads.mkdir(parents=True, exist_ok=True)
        (root / "sha256").mkdir(exist_ok=True)

    def path(self, digest: str) -> Path:
        """Return where the blob is, or would be."""
        algorithm, _, name = digest.partition(":")
        return self._root / algorithm / name[:2] / name

    def size(self, digest: str) -> int | None:
        """Return the blob's size in bytes, or None where there is none."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: str) -> bytes:
        """Return a small blob's content."""
        return self.path(digest).read_bytes()

    def write(self, body: bytes) -> str:
        """Store `body`; return its digest."""
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        temporary = self._uploads / str(uuid.uuid4())
        temporary.write_bytes(body)
        self._adopt(temporary, digest)
        return digest

    def start_upload(self) -> str:
        """Open an upload; return its id."""
        upload_id = str(uuid.uuid4())
        (self._uploads / upload_id).touch()
        return upload_id

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes have come.

        Raises:
            UploadUnknownError: no such upload.

        """
        return self._upload(upload_id).stat().st_size

    def append(self, upload_id: str, stream: IO[bytes], *, first_byte: int | None = None) -> int:
        """Add all of `stream` to the upload; return its new size.

        Args:
            upload_id: from `start_upload`.
            stream: read to its end.
            first_byte: where the chunk says it starts; None where it does not say.

        Raises:
            UploadUnknownError: no such upload.
            UploadRangeError: the chunk starts elsewhere than where the upload ends.

        """
        with self._upload(upload_id).open("ab") as file:
            size = file.tell()
            if first_byte is not None and first_byte != size:
                raise UploadRangeError(size)
            while chunk := stream.read(_CHUNK_BYTES):
                file.write(chunk)
            return file.tell()

    def finish(self, upload_id: str, digest: str) -> int:
        """Make the upload the blob `digest`; return its size.

        Raises:
            UploadUnknownError: no such upload.
            DigestMismatchError: the content has another digest.

        """
        upload = self._upload(upload_id)
        with upload.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if f"sha256:{actual}" != digest:
            raise DigestMismatchError(f"content is sha256:{actual}, not {digest}")
        size = upload.stat().st_size
        self._adopt(upload, digest)
        return size

    def cancel(self, upload_id: str) -> None:
        """Forget an upload."""
        self._upload(upload_id).unlink(missing_ok=True)

    def collect(self, wanted: Iterable[str]) -> int:
        """Delete blobs that are not `wanted`; return how many.

        Content younger than an hour stays: a push may be about to name it.
        """
        keep, oldest = set(wanted), time.time() - _FRESH_S
        garbage = [
            path
            for digest, path in self._blobs()
            if digest not in keep and path.stat().st_mtime < oldest
        ]
        garbage += [path for path in self._uploads.iterdir() if path.stat().st_mtime < oldest]
        for path in garbage:
            path.unlink(missing_ok=True)
        return len(garbage)

    def _blobs(self) -> Iterator[tuple[str, Path]]:
        for path in (self._root / "sha256").glob("*/*"):
            yield f"sha256:{path.name}", path

    def _upload(self, upload_id: str) -> Path:
        try:
            path = self._uploads / str(uuid.UUID(upload_id))
        except ValueError:
            raise UploadUnknownError(upload_id) from None
        if not path.exists():
            raise UploadUnknownError(upload_id)
        return path

    def _adopt(self, source: Path, digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(exist_ok=True)
        source.replace(target)
