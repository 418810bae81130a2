"""Delivers webhooks from the repositories' outboxes; what a receiver does is not its affair.

A push stays in its outbox until every hook has answered, so neither a dead receiver nor a
killed Git server loses an event.
"""

import hashlib
import hmac
import json
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import requests
import structlog

from sandbox.scm.payloads import push_payload
from sandbox.scm.repositories import Repository, list_repositories

log = structlog.get_logger()

_KEPT_DELIVERIES = 50


def sign(secret: str, body: bytes) -> str:
    """Return the `X-Hub-Signature-256` of `body`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Deliverer:
    """One thread that empties every outbox under `root`."""

    def __init__(self, root: Path, base_url: str, *, interval_s: float = 0.2) -> None:
        self._root = root
        self._base_url = base_url
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the delivery under way."""
        self._stop.set()
        self._thread.join(timeout=15)

    def send(self, repository: Repository, event: str, payload: dict[str, object]) -> bool:
        """Post one event to each hook that asks for it; False when one was unreachable."""
        body = json.dumps(payload).encode()
        reached = True
        for hook in repository.read_json("hooks"):
            events = hook.get("events")
            if hook.get("active", True) and isinstance(events, list) and event in events:
                reached = self._post(repository, hook, event, body) and reached
        return reached

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._deliver_all()
            except Exception:
                log.exception("webhook_delivery_failed")

    def _deliver_all(self) -> None:
        for repository in list_repositories(self._root):
            for path, updates in repository.pending():
                done = [
                    self.send(repository, "push", push_payload(repository, u, self._base_url))
                    for u in updates
                ]
                if all(done):
                    path.unlink()

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
        try:
            answer = requests.post(str(settings["url"]), data=body, headers=headers, timeout=10)
        except requests.RequestException as error:
            log.warning("webhook_unreachable", url=settings.get("url"), error=str(error))
            return False
        self._record(repository, hook, event, delivery, answer)
        # A receiver that is starting answers 5xx; anything else is its final word.
        return answer.status_code < 500

    def _record(
        self,
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
        with self._lock:
            rows = repository.read_json("deliveries")
            repository.write_json("deliveries", [*rows, row][-_KEPT_DELIVERIES:])
        log.info(
            "webhook_delivered",
            repository=repository.full_name,
            hook_event=event,
            status=answer.status_code,
        )
