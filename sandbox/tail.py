"""Follows log files that others write, across their rotation; it starts and stops nothing."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LOOK_S = 0.2


@dataclass(slots=True)
class LogTail:
    """One log and how far it was read.

    A log that has grown too large is renamed to `NAME.log.1` and begun anew; what was
    written just before that is read from there.
    """

    path: Path
    _inode: int = field(default=0, init=False)
    _offset: int = field(default=0, init=False)

    def past(self, lines: int) -> list[str]:
        """Return the last `lines` lines, those of the rotated file included; go to the end."""
        rows = _complete(self._read_on())
        before = self._rotated()
        if len(rows) < lines and before.exists():
            rows = [*before.read_text(errors="replace").splitlines(), *rows]
        return rows[-lines:] if lines > 0 else []

    def fresh(self) -> list[str]:
        """Return the whole lines written since the last look."""
        rows: list[str] = []
        rotated = self._rotated()
        if self._inode and _inode(self.path) != self._inode and _inode(rotated) == self._inode:
            with rotated.open("rb") as stream:
                stream.seek(self._offset)
                rows = _complete(stream.read())
        return [*rows, *_complete(self._read_on())]

    def _read_on(self) -> bytes:
        try:
            with self.path.open("rb") as stream:
                inode = os.fstat(stream.fileno()).st_ino
                size = stream.seek(0, 2)
                if inode != self._inode or size < self._offset:
                    self._inode, self._offset = inode, 0
                stream.seek(self._offset)
                whole = stream.read()
        except FileNotFoundError:
            return b""
        whole = whole[: whole.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole

    def _rotated(self) -> Path:
        return self.path.with_name(self.path.name + ".1")


def follow(tails: Sequence[LogTail]) -> Iterator[tuple[Path, str]]:
    """Yield (file, line) as lines are written, for ever."""
    while True:
        for tail in tails:
            for row in tail.fresh():
                yield tail.path, row
        time.sleep(_LOOK_S)


def _complete(content: bytes) -> list[str]:
    return content.decode(errors="replace").splitlines()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
