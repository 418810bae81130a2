"""Containers' output, copied from the engine into files with lasting offsets.

The engine's own log has no offsets, and its time stamps may repeat or go backwards between
stdout and stderr. So one follower for each container copies its messages, in the engine's
order, to `<folder>/<container id>.log`. A new follower skips as many messages as the file
has lines: nothing is lost or repeated, whoever was killed when. As in the `awslogs` driver a
line longer than 16 KiB comes in pieces.
"""

import fcntl
import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sandbox.aws.runtime.log_pages import read_page
from sandbox.aws.runtime.port import LogPage
from sandbox.container_engine import Client, NotFoundError, Unreachable

_DRAIN_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class LogFiles:
    """The followers of one sandbox's containers. Thread-safe."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._lock = threading.Lock()
        self._followers: dict[str, _Follower] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def page(self, container_id: str, offset_bytes: int, *, ended: bool) -> LogPage:
        """Return lines from `offset_bytes` on; of an ended container, all that it wrote."""
        follower = self._follower(container_id)
        if ended:
            follower.wait_drained()
        return read_page(follower.path, offset_bytes)

    def discard(self, container_id: str) -> None:
        """Delete what a removed container wrote."""
        with self._lock:
            self._followers.pop(container_id, None)
        self._path(container_id).unlink(missing_ok=True)

    def keep(self, container_ids: set[str]) -> None:
        """Delete the files of containers that are gone."""
        for path in self._folder.iterdir():
            if path.stem not in container_ids:
                path.unlink()

    def _follower(self, container_id: str) -> "_Follower":
        with self._lock:
            follower = self._followers.get(container_id)
            if follower is None or follower.has_failed:
                follower = _Follower(self._client, container_id, self._path(container_id))
                self._followers[container_id] = follower
            return follower

    def _path(self, container_id: str) -> Path:
        return self._folder / f"{container_id}.log"


class _Follower:
    """Copies one container's messages until it has ended."""

    def __init__(self, client: Client, container_id: str, path: Path) -> None:
        self.path = path
        self._client = client
        self._id = container_id
        self._drained = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name=f"log-{container_id[:12]}", daemon=True).start()

    @property
    def has_failed(self) -> bool:
        """Tell whether it ended before its container did: another must go on."""
        return self._ended.is_set() and not self._drained.is_set()

    def wait_drained(self) -> None:
        """Wait until everything of an ended container is in the file."""
        self._ended.wait(_DRAIN_TIMEOUT_S)

    def _run(self) -> None:
        try:
            # The lock lets one follower write: that of an earlier process may still be ending.
            with self.path.open("ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._copy(file, follow=True)
                # Engines before 23 may end the stream short of the last messages.
                self._copy(file, follow=False)
            self._drained.set()
        except NotFoundError:
            self._drained.set()
        except (*Unreachable, ValueError) as error:
            log.warning("log_follower_failed", extra={"container": self._id, "error": str(error)})
        finally:
            self._ended.set()

    def _copy(self, file: BinaryIO, *, follow: bool) -> None:
        skip = _whole_lines(file)
        messages: Iterable[bytes] = self._client.logs(
            self._id, stdout=True, stderr=True, stream=True, follow=follow, timestamps=True
        )
        for message in messages:
            if skip:
                skip -= 1
            else:
                file.write(log_record(message))


def log_record(message: bytes) -> bytes:
    """Return the line of the file for one message of the engine: `<RFC 3339 time> <text>`."""
    stamp, _, text = message.partition(b" ")
    seconds = datetime.fromisoformat(stamp.decode("ascii")).timestamp()
    whole = text.rstrip(b"\r\n").replace(b"\n", b"\r")
    return b"%d %s\n" % (int(seconds * 1000), whole)


def _whole_lines(file: BinaryIO) -> int:
    """Return how many messages the file holds, having cut off one that a crash broke."""
    file.seek(0)
    count, position, end = 0, 0, 0
    while chunk := file.read(1 << 20):
        count += chunk.count(b"\n")
        if b"\n" in chunk:
            end = position + chunk.rindex(b"\n") + 1
        position += len(chunk)
    file.truncate(end)
    return count
