"""A Harness API that records what it is sent, as a `requests` transport adapter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from sandbox.harness_client import HarnessClient


@dataclass(frozen=True)
class Call:
    """One request as the API saw it."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HarnessDouble(BaseAdapter):
    """Remembers entities by path and identity: what exists already is a DUPLICATE_FIELD."""

    existing: bool = False
    refuse: Mapping[str, tuple[int, dict[str, object]]] = field(default_factory=dict)
    raises: Exception | None = None
    calls: list[Call] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        if self.raises is not None:
            raise self.raises
        parts = urlsplit(str(request.url))
        body = request.body if isinstance(request.body, bytes) else b""
        call = Call(
            method=str(request.method),
            path=parts.path.removeprefix("/gateway"),
            query=dict(parse_qsl(parts.query)),
            body=body,
            headers=dict(request.headers),
        )
        self.calls.append(call)
        status, answer = self._answer(call)
        response = requests.Response()
        response.status_code = status
        response.request = request
        response.url = str(request.url)
        response._content = json.dumps(answer).encode()
        return response

    def _answer(self, call: Call) -> tuple[int, dict[str, object]]:
        if call.path in self.refuse:
            return self.refuse[call.path]
        if call.method == "POST" and self.existing:
            return 400, {"status": "ERROR", "code": "DUPLICATE_FIELD", "message": "exists"}
        return 200, {"status": "SUCCESS", "data": {}}

    def close(self) -> None:
        pass

    def client(self) -> HarnessClient:
        client = HarnessClient("http://127.0.0.1:1/gateway", "acc", "pat.acc.x")
        client._session.mount("http://", self)
        return client

    def made(self) -> list[str]:
        """Return `METHOD path` of every call, in order."""
        return [f"{call.method} {call.path}" for call in self.calls]
