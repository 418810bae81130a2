"""Records every AWS call that reaches the gateway, in order; it changes none."""

import io
import re
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse

from sandbox.aws.gateway import Environ, WsgiApp, read_request
from sandbox.aws.trail.callers import is_task_token
from sandbox.aws.wire import WireRequest, session_token
from sandbox.testing.operations import asked
from sandbox.testing.settings import CALLERS

_NEW_KEY = re.compile(rb"<AccessKeyId>([^<]+)</AccessKeyId>")
_ERROR_CODE = re.compile(rb"<Code>([^<]+)</Code>|\"__type\": ?\"(?:[^\"#]*#)?([^\"]+)\"")
_UNRECORDED = ("/_sandbox/", "/v2/")
_LOOK_BYTES = 4096


class Recorder:
    """WSGI middleware around the gateway."""

    def __init__(self, app: WsgiApp, region: str) -> None:
        self._app = app
        self._region = region
        self._lock = threading.Lock()
        self._calls: list[dict[str, Any]] = []
        self._callers = dict(CALLERS)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on; note it with its answer."""
        if environ.get("PATH_INFO", "/").startswith(_UNRECORDED):
            return self._app(environ, start_response)
        request = read_request(environ)
        environ["wsgi.input"] = io.BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        answered: list[int] = []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            answered.append(int(status.split(maxsplit=1)[0]))
            return start_response(status, headers, *more)

        chunks = list(self._app(environ, start))
        self._note(request, answered[-1], b"".join(chunks))
        return chunks

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the calls whose number is above `after`."""
        with self._lock:
            return self._calls[after:]

    def _note(self, request: WireRequest, status: int, body: bytes) -> None:
        found = asked(request, self._region)
        if found is None:
            return
        by = self._callers.get(found.access_key_id, found.access_key_id)
        if is_task_token(session_token(request)):
            by = "task"
        if found.service == "sts" and status < 400:
            # Credentials of a role act for whoever assumed it.
            for key in _NEW_KEY.findall(body):
                self._callers[key.decode()] = by
        error = _ERROR_CODE.search(body[:_LOOK_BYTES]) if status >= 400 else None
        code = (error[1] or error[2]).decode() if error else ""
        with self._lock:
            self._calls.append(
                {
                    "number": len(self._calls) + 1,
                    "service": found.service,
                    "operation": found.operation,
                    "parameters": dict(found.parameters),
                    "region": found.region,
                    "by": by,
                    "status": status,
                    "error": code,
                }
            )
