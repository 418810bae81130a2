"""Delivers webhooks from the repositories' outboxes; what a receiver does is not its affair.

An event stays in its outbox until every hook has answered, so neither a dead receiver nor a
killed Git server loses one.
"""

import hashlib
import hmac
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests

from sandbox.errors import SandboxError
from sandbox.scm.payloads import push_payload
from sandbox.scm.repositories import Repository, list_repositories

log = logging.getLogger(__name__)

_KEPT_DELIVERIES = 50
_LONGEST_PAUSE_S = 5.0

_Event = tuple[str, bytes]
"""The event's name and the body to post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Away:
    """A receiver that did not answer: when it is tried again."""

    until: float
    pause_s: float


def sign(secret: str, body: bytes) -> str:
    """Return the `X-Hub-Signature-256` of `body`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Deliverer:
    """One thread that empties every outbox under `root`.

    A hook gets the events of a repository in their order, and each of them once, unless the
    receiver answered and this process died before it wrote that down.
    """

    def __init__(self, root: Path, base_url: str, *, interval_s: float = 0.2) -> None:
        self._root = root
        self._base_url = base_url
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._away: dict[str, _Away] = {}

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the delivery under way."""
        self._stop.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                for repository in list_repositories(self._root):
                    self._empty(repository)
            except Exception:
                log.exception("delivering a webhook failed")

    def _empty(self, repository: Repository) -> None:
        behind: set[str] = set()
        for path in repository.pending():
            try:
                events = self._events(repository, path)
            except (SandboxError, ValueError, KeyError) as error:
                # Its commits are gone, or someone wrote into the outbox: others must go on.
                log.warning("dropped the webhook %s: %s", path, error)
                path.rename(path.with_suffix(".dropped"))
                continue
            if self._deliver(repository, path, events, behind):
                path.unlink()
                path.with_suffix(".done").unlink(missing_ok=True)

    def _events(self, repository: Repository, path: Path) -> list[_Event]:
        if path.suffix == ".push":
            updates = repository.pushed(path)
            payloads = [push_payload(repository, update, self._base_url) for update in updates]
            return [("push", json.dumps(payload).encode()) for payload in payloads]
        kept = json.loads(path.read_text())
        return [(kept["event"], json.dumps(kept["payload"]).encode())]

    def _deliver(
        self, repository: Repository, path: Path, events: list[_Event], behind: set[str]
    ) -> bool:
        """Send what each hook lacks; True when none lacks anything."""
        ledger = path.with_suffix(".done")
        done = set(ledger.read_text().split()) if ledger.exists() else set()
        complete = True
        for hook in repository.read_json("hooks"):
            identifier = str(hook["id"])
            for number, (event, body) in enumerate(events):
                mark = f"{number}:{identifier}"
                if mark in done or not _wants(hook, event):
                    continue
                if identifier in behind or not self._try(repository, hook, event, body):
                    behind.add(identifier)
                    complete = False
                    continue
                done.add(mark)
                ledger.write_text("\n".join(sorted(done)))
        return complete

    def _try(
        self, repository: Repository, hook: dict[str, object], event: str, body: bytes
    ) -> bool:
        """Post, unless the receiver was away just now; False when it must be tried again."""
        key = f"{repository.full_name}:{hook['id']}"
        away = self._away.get(key)
        if away is not None and time.monotonic() < away.until:
            return False
        if self._post(repository, hook, event, body):
            self._away.pop(key, None)
            return True
        pause_s = min(away.pause_s * 2, _LONGEST_PAUSE_S) if away else self._interval_s
        self._away[key] = _Away(until=time.monotonic() + pause_s, pause_s=pause_s)
        return False

    def _post(
        self, repository: Repository, hook: dict[str, object], event: str, body: bytes
    ) -> bool:
        config = hook.get("config")
        settings = config if isinstance(config, dict) else {}
        delivery = str(uuid.uuid4())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/sandbox",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "X-GitHub-Hook-ID": str(hook["id"]),
        }
        if secret := str(settings.get("secret") or ""):
            headers["X-Hub-Signature-256"] = sign(secret, body)
        url = str(settings.get("url"))
        try:
            answer = requests.post(url, data=body, headers=headers, timeout=10)
        except requests.RequestException as error:
            log.warning("webhook to %s: no answer: %s", url, error)
            return False
        _record(repository, hook, event, delivery, answer)
        # A receiver that is starting answers 5xx; anything else is its final word.
        return answer.status_code < 500


def _wants(hook: dict[str, object], event: str) -> bool:
    events = hook.get("events")
    return bool(hook.get("active", True)) and isinstance(events, list) and event in events


def _record(
    repository: Repository,
    hook: dict[str, object],
    event: str,
    delivery: str,
    answer: requests.Response,
) -> None:
    row: dict[str, object] = {
        "guid": delivery,
        "hook_id": hook["id"],
        "event": event,
        "delivered_at": datetime.now(UTC).isoformat(),
        "status_code": answer.status_code,
        "response": answer.text[:2000],
    }
    rows = repository.read_json("deliveries")
    repository.write_json("deliveries", [*rows, row][-_KEPT_DELIVERIES:])
    log.info("%s of %s: webhook answered %d", event, repository.full_name, answer.status_code)
