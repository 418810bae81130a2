"""Follows one running step: uploads its lines by offset, its progress, and its result."""

import json
import threading
from collections.abc import Callable

import requests
import structlog

from fake_harness.delegate.attach import Attachment
from fake_harness.delegate.client import ManagerClient, NotRegisteredError
from fake_harness.delegate.results import JsonObject

log = structlog.get_logger()

_LOOK_S = 0.05
_RETRY_S = 1.0
_BATCH_LINES = 500


class Follower:
    """One thread for one task, until the manager has everything.

    It begins at the first line: what the manager has already, it cuts by offset. The manager
    being away delays the follower and loses nothing: lines and result wait in the task's folder.
    """

    def __init__(
        self,
        attachment: Attachment,
        client: ManagerClient,
        *,
        done: Callable[[str], None],
    ) -> None:
        self._attachment = attachment
        self._base_key = attachment.log_base_key
        self._client = client
        self._done = done
        self._position = 0
        self._offsets: dict[str, int] = {}
        self._progress: JsonObject | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="follower")
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self) -> None:
        """Stop following; the step goes on by itself."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            try:
                if self._advance():
                    return
            except NotRegisteredError:
                self._stopping.wait(_RETRY_S)
            except requests.RequestException as error:
                log.warning("manager_away", task_id=self._attachment.task_id, error=str(error))
                self._stopping.wait(_RETRY_S)
            except Exception:  # top of a thread: a task must not be dropped in silence
                log.exception("follower_failed", task_id=self._attachment.task_id)
                self._stopping.wait(_RETRY_S)

    def _advance(self) -> bool:
        """Send what is new; True once the result is delivered and the folder is gone."""
        result = self._attachment.result()
        while self._send_lines():
            pass
        progress = self._attachment.progress()
        if progress != self._progress and progress is not None:
            self._client.progress(self._attachment.task_id, progress)
            self._progress = progress
        if result is None:
            return False
        for key in self._offsets or {self._base_key: 0}:
            self._client.close_log(key)
        self._client.report(self._attachment.task_id, result)
        self._attachment.forget()
        self._done(self._attachment.task_id)
        log.info("task_reported", task_id=self._attachment.task_id, status=result.get("status"))
        return True

    def _send_lines(self) -> bool:
        """Send one batch; True while there may be more."""
        rows, position = self._read_batch()
        if not rows:
            return False
        by_key: dict[str, list[str]] = {}
        for unit, line in rows:
            key = f"{self._base_key}-commandUnit:{unit}" if unit else self._base_key
            by_key.setdefault(key, []).append(line)
        for key, lines in by_key.items():
            offset = self._offsets.get(key, 0)
            self._client.append_log(key, offset, lines)
            self._offsets[key] = offset + len(lines)
        self._position = position
        return True

    def _read_batch(self) -> tuple[list[tuple[str, str]], int]:
        rows: list[tuple[str, str]] = []
        if not self._attachment.log_file.exists():
            return rows, self._position
        with self._attachment.log_file.open("rb") as stream:
            stream.seek(self._position)
            position = self._position
            for raw in stream:
                if not raw.endswith(b"\n") or len(rows) >= _BATCH_LINES:
                    break
                position += len(raw)
                entry = json.loads(raw)
                rows.append((entry["unit"], json.dumps(entry["row"])))
        return rows, position
