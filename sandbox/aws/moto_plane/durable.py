"""moto with a memory: every acknowledged write outlives the death of the process.

    write = run the request in a Moment, append it to the journal, answer
    start = restore the newest snapshot, run the journal's tail again in the same Moments
    now and then = take a snapshot, begin a new journal segment, delete the old ones

One request runs at a time: moto promises no thread safety, and a journal needs an order.
"""

import fcntl
import json
import logging
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from sandbox.aws.moto_plane import births, moment, snapshot
from sandbox.aws.moto_plane.blobs import BlobStore
from sandbox.aws.moto_plane.journal import Entry, Journal, read_segment
from sandbox.aws.moto_plane.moment import Moment, lived
from sandbox.aws.wire import WireRequest, WireResponse
from sandbox.errors import AwsError, EnvironmentNotReadyError

log = logging.getLogger(__name__)

Run = Callable[[str, WireRequest], WireResponse]
"""Runs one request of a service of moto; never raises."""

SNAPSHOT_ENTRIES = 1000
SNAPSHOT_BYTES = 32 * 1024 * 1024
SNAPSHOT_IDLE_S = 30.0
TICK_S = 1.0
HOLD_S = 10.0
"""How long to wait for the last server to be gone: a killed one is, at once."""


class DurableMoto:
    """Runs requests and keeps their effect in `directory`, which it holds alone."""

    def __init__(self, directory: Path, run: Run) -> None:
        """Take hold of the directory; `recover` must follow before any request."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._run = run
        self._held = _hold(directory)
        self._blobs = BlobStore(directory / "blobs")
        self._lock = threading.RLock()
        self._snapshotting = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._sequence = 0
        self._last_write = 0.0
        self._unpicklable_at = -1
        self._broken = ""
        identity = _identity(directory / "identity.json")
        births.install(str(identity["seed"]), float(str(identity["born_at"])))
        moment.install()

    def recover(self) -> int:
        """Bring back the state of the last run; returns how many requests ran again."""
        newest = max(self._snapshots(), default=None)
        if newest is not None:
            snapshot.restore(newest, self._blobs)
            self._sequence = _number(newest)
        replayed = 0
        for segment in sorted(self._segments()):
            if _number(segment) < (_number(newest) if newest else 0):
                continue  # covered by the snapshot; its deletion was interrupted
            self._sequence = _number(segment)
            for entry in read_segment(segment, self._blobs):
                self._replay(entry)
                self._sequence += 1
                replayed += 1
        self._journal = self._new_segment()
        if replayed:
            self.take_snapshot()
        return replayed

    def read(self, service: str, request: WireRequest) -> WireResponse:
        """Run a request that changes nothing."""
        with self._lock:
            return self._run(service, request)

    def write(
        self,
        service: str,
        request: WireRequest,
        changed: Callable[[WireResponse], bool] = lambda _answer: True,
    ) -> WireResponse:
        """Run a request and make its effect durable before its answer is given.

        Args:
            service: moto's name of the service.
            request: the request.
            changed: tells from the answer whether there is anything to keep.

        """
        with self._lock:
            if self._broken:
                raise AwsError("ServiceUnavailable", self._broken, status=503)
            # now is read inside the lock: the journal's order is the order of time too
            instant = Moment(time.time(), secrets.token_hex(16))
            with lived(instant):
                answer = self._run(service, request)
            if changed(answer):
                self._append(service, request, instant, answer)
        return answer

    def take_snapshot(self) -> None:
        """Write the state whole and drop the journal that led to it."""
        with self._snapshotting:
            with self._lock:
                taken = self._capture()
                if taken is None:
                    return
                sequence = self._sequence
                self._journal.close()
                self._journal = self._new_segment()
            snapshot.write(taken, self._directory / f"snapshot-{sequence:016d}.pickle")
            for path in (*self._segments(), *self._snapshots()):
                if _number(path) < sequence:
                    path.unlink()
            with self._lock:
                self._blobs.keep_only(taken.blob_names | self._journal.blob_names)

    def start(self) -> None:
        """Start taking snapshots in the background."""
        self._thread = threading.Thread(target=self._loop, name="moto-snapshots", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take a last snapshot, so that the next start has nothing to run again."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._journal.entries:
            self.take_snapshot()

    @property
    def stopping(self) -> threading.Event:
        """Set once the process ends: nobody should wait any longer."""
        return self._stopping

    def _loop(self) -> None:
        while not self._stopping.wait(TICK_S):
            try:
                if self._snapshot_is_due():
                    self.take_snapshot()
            except Exception:
                # The top of a loop: the journal still holds everything; try again later.
                log.exception("snapshot_failed")

    def _snapshot_is_due(self) -> bool:
        journal = self._journal
        if not journal.entries or self._sequence == self._unpicklable_at:
            return False
        idle = time.time() - self._last_write > SNAPSHOT_IDLE_S
        return idle or journal.entries >= SNAPSHOT_ENTRIES or journal.size_bytes >= SNAPSHOT_BYTES

    def _capture(self) -> snapshot.Snapshot | None:
        try:
            return snapshot.take(self._blobs)
        except Exception:
            # Some service of moto holds what cannot be pickled. Nothing is lost: the
            # journal goes on growing, and the next start runs it again from the snapshot.
            self._unpicklable_at = self._sequence
            log.exception("snapshot_impossible")
            return None

    def _append(
        self, service: str, request: WireRequest, instant: Moment, answer: WireResponse
    ) -> None:
        entry = Entry(
            service=service,
            request=request,
            now=instant.now,
            seed=instant.seed,
            recorded=instant.recorded,
            answer_crc=zlib.crc32(answer.body),
        )
        try:
            self._journal.append(entry)
        except OSError as error:
            # Memory is now ahead of the disk, and a torn entry may be in the way.
            self._broken = (
                f"The state directory {self._directory} cannot be written ({error.strerror}); "
                "mend that and restart the sandbox."
            )
            log.exception("journal_failed")
            raise AwsError("ServiceUnavailable", self._broken, status=503) from error
        self._sequence += 1
        self._last_write = instant.now

    def _replay(self, entry: Entry) -> None:
        with lived(Moment(entry.now, entry.seed, entry.recorded)):
            answer = self._run(entry.service, entry.request)
        if zlib.crc32(answer.body) != entry.answer_crc:
            log.warning(
                "replay_diverged",
                extra={
                    "service": entry.service,
                    "path": entry.request.path,
                    "status": answer.status,
                },
            )

    def _new_segment(self) -> Journal:
        path = self._directory / f"journal-{self._sequence:016d}.log"
        return Journal(path, self._blobs)

    def _segments(self) -> Iterator[Path]:
        return self._directory.glob("journal-*.log")

    def _snapshots(self) -> Iterator[Path]:
        return self._directory.glob("snapshot-*.pickle")


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _identity(path: Path) -> dict[str, object]:
    """Read what this installation's lasting ids follow from; made on first use."""
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        made = {"seed": secrets.token_hex(16), "born_at": int(time.time())}
        temporary.write_text(json.dumps(made))
        temporary.replace(path)
    identity: dict[str, object] = json.loads(path.read_text())
    return identity


def _hold(directory: Path) -> IO[str]:
    """Take hold of the directory for this process; the hold ends with the process.

    Raises:
        EnvironmentNotReadyError: another process keeps it.

    """
    file = (directory / "lock").open("a")
    deadline = time.monotonic() + HOLD_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                message = f"Another process holds the state of the local AWS in {directory}."
                hint = "Stop the other sandbox, or set SANDBOX_HOME to another directory."
                raise EnvironmentNotReadyError(message, hint=hint) from error
            threading.Event().wait(0.05)
        else:
            return file
