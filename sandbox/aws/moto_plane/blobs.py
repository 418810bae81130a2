"""Content-addressed files: bodies too large for the journal or the snapshot."""

import hashlib
import os
import threading
from collections.abc import Collection
from pathlib import Path


class BlobStore:
    """Files named by the SHA-256 of their content, under one directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def put(self, content: bytes) -> str:
        """Store `content`; returns its name. A known content is not written again."""
        name = hashlib.sha256(content).hexdigest()
        path = self._path(name)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            # The name appears only with the whole content behind it.
            temporary = path.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}")
            temporary.write_bytes(content)
            temporary.replace(path)
        return name

    def get(self, name: str) -> bytes:
        """Return the content behind `name`."""
        return self._path(name).read_bytes()

    def keep_only(self, names: Collection[str]) -> None:
        """Delete every other blob; nobody may put meanwhile."""
        kept = set(names)
        for path in self._directory.glob("*/*"):
            if path.name not in kept:
                path.unlink()

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name
