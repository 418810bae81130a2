"""The delegate's HTTP side: the manager and the log service; no steps, no state."""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import requests

from fake_harness.delegate.results import JsonObject
from fake_harness.delegate_token import mint
from fake_harness.settings import DelegateSettings

_TOKEN_LIFETIME_S = 1200
_TIMEOUT_S = 30


class NotRegisteredError(Exception):
    """The manager does not know this delegate (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """What the manager wants: take a task up, or stop it."""

    task_id: str
    abort: bool


class ManagerClient:
    """Calls the manager. Every method may raise `requests.RequestException`: try again later."""

    def __init__(self, settings: DelegateSettings) -> None:
        self._settings = settings
        self._base = settings.manager_url.rstrip("/")
        self._token = ""
        self._minted_at = 0.0
        self.delegate_id = ""

    def register(self, task_types: Sequence[str]) -> str:
        """Register under the delegate's name and keep the id that is answered."""
        settings = self._settings
        body = {
            "delegateName": settings.delegate_name,
            "hostName": socket.gethostname(),
            "delegateType": settings.delegate_type,
            "version": "sandbox",
            "tags": [tag for tag in settings.delegate_tags.split(",") if tag],
            "ng": True,
            "pollingModeEnabled": True,
            "supportedTaskTypes": list(task_types),
        }
        answer = self._call("POST", "/api/agent/delegates/register", json=body)
        self.delegate_id = str(answer.json()["resource"]["delegateId"])
        return self.delegate_id

    def heartbeat(self) -> None:
        """Tell that the delegate lives."""
        body = {"delegateId": self.delegate_id}
        self._call("POST", "/api/agent/delegates/heartbeat-with-polling", json=body)

    def poll(self, known: Sequence[str], wait_s: float) -> tuple[TaskEvent, ...]:
        """Wait up to `wait_s` for tasks that are not in `known`, or for aborts."""
        path = f"/api/agent/delegates/{self.delegate_id}/task-events"
        params = {"waitSeconds": str(wait_s), "known": list(known)}
        answer = self._call("GET", path, params=params)
        return tuple(
            TaskEvent(task_id=row["delegateTaskId"], abort=bool(row["abort"]))
            for row in answer.json()["delegateTaskEvents"]
        )

    def acquire(self, task_id: str) -> JsonObject | None:
        """Claim a task; None when another delegate has it."""
        path = f"/api/agent/delegates/{self.delegate_id}/tasks/{task_id}/acquire/v2"
        answer = self._call("PUT", path, allowed=(409,))
        return None if answer.status_code == 409 else answer.json()

    def progress(self, task_id: str, progress: JsonObject) -> None:
        """Send the progress of a running task."""
        path = f"/api/agent/delegates/{self.delegate_id}/tasks/{task_id}/progress"
        self._call("PUT", path, json=dict(progress))

    def report(self, task_id: str, result: JsonObject) -> None:
        """Send the result; repeating it is harmless, and so is one nobody wants any more."""
        path = f"/api/agent/tasks/{task_id}/delegates/{self.delegate_id}/v2"
        self._call("POST", path, json=dict(result), allowed=(409,))

    def append_log(self, key: str, offset: int, lines: Sequence[str]) -> int:
        """Append NDJSON lines at `offset`; return how many lines the log has now."""
        params = {"accountID": self._settings.account_id, "key": key, "offset": str(offset)}
        body = "\n".join(lines).encode()
        answer = self._call("PUT", "/log-service/stream", params=params, data=body)
        return int(answer.json()["lines"])

    def close_log(self, key: str) -> None:
        """Note that a log is complete."""
        params = {"accountID": self._settings.account_id, "key": key}
        self._call("DELETE", "/log-service/stream", params=params)

    def _call(
        self,
        method: str,
        path: str,
        *,
        allowed: Sequence[int] = (),
        params: Mapping[str, str | Sequence[str]] | None = None,
        json: object = None,
        data: bytes | None = None,
    ) -> requests.Response:
        # One connection a call: calls come from several threads, and the manager may restart.
        with requests.Session() as session:
            # A manager beyond this network is reached as this machine reaches others: by its
            # proxies and its trust. A plain one is near, whatever proxy the steps use.
            session.trust_env = self._base.startswith("https:")
            answer = session.request(
                method,
                self._base + path,
                params=dict(params or {}),
                json=json,
                data=data,
                headers={"Authorization": self._authorization()},
                timeout=_TIMEOUT_S,
            )
        if answer.status_code in allowed:
            return answer
        if answer.status_code == 404 and "DELEGATE_NOT_REGISTERED" in answer.text:
            raise NotRegisteredError
        if not answer.ok:
            message = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
            raise requests.HTTPError(message, response=answer)
        return answer

    def _authorization(self) -> str:
        if time.monotonic() - self._minted_at > _TOKEN_LIFETIME_S or not self._token:
            self._token = mint(
                self._settings.delegate_token.get_secret_value(),
                account_id=self._settings.account_id,
                host=socket.gethostname(),
                audience=self._base,
            )
            self._minted_at = time.monotonic()
        return self._token
