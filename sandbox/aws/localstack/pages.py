"""`/_localstack/...` as LocalStack's own tools ask it; it answers no AWS call.

The figures are real: a service of ours runs, one of moto's is available, one that is passed
on has the state that its LocalStack says. Shapes: localstack-core, services/internal.py.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from wsgiref.types import StartResponse

from werkzeug.wrappers import Response

from sandbox.aws.gateway import Environ, read_request
from sandbox.aws.localstack.services import SERVING
from sandbox.aws.localstack.upstream import LocalStackUpstream
from sandbox.aws.wire import RequestContext
from sandbox.errors import AwsError

EDITION = "harness-aws-sandbox"
_RUNTIME = {"BOOT": True, "START": True, "READY": True, "SHUTDOWN": False}
_READING = frozenset({"GET", "HEAD"})


class LocalStackPages:
    """WSGI application for `/_localstack` and, where there is a LocalStack, `/_aws`."""

    def __init__(
        self,
        own: Iterable[str],
        others: Callable[[], Sequence[str]],
        context: RequestContext,
        upstream: LocalStackUpstream | None = None,
    ) -> None:
        """Prepare the pages.

        Args:
            own: names of the services of ours.
            others: names the services that moto can answer for.
            context: who calls, for what is passed on.
            upstream: where other pages are passed on to.

        """
        self._own = tuple(own)
        self._others = others
        self._context = context
        self._upstream = upstream
        self._since = time.monotonic()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "/")
        reading = environ.get("REQUEST_METHOD") in _READING
        if path == "/_localstack/health" and reading:
            return _json(HTTPStatus.OK, self.health())(environ, start_response)
        if self._upstream is not None:
            return self._pass_on(self._upstream, environ)(environ, start_response)
        page = self._page(path) if reading else None
        if page is None:
            message = f"The local AWS has no {environ.get('REQUEST_METHOD')} {path}."
            missing = _json(HTTPStatus.NOT_FOUND, {"message": message})
            return missing(environ, start_response)
        return _json(HTTPStatus.OK, page)(environ, start_response)

    def health(self) -> Mapping[str, object]:
        """Return what `/_localstack/health` answers."""
        services = dict.fromkeys(self._others(), "available") | dict.fromkeys(self._own, "running")
        edition, release = EDITION, version("harness-aws-sandbox")
        if self._upstream is not None:
            state = self._upstream.health()
            rows = self._upstream.rows(services)
            services |= {name: _state(row["status"]) for name, row in rows.items()}
            edition = str(state.get("edition", edition))
            release = str(state.get("version", release))
        return {
            "services": dict(sorted(services.items())),
            "edition": edition,
            "version": release,
        }

    def _page(self, path: str) -> Mapping[str, object] | None:
        stage = path.removeprefix("/_localstack/init/").upper()
        if path == "/_localstack/init":
            return {"completed": _RUNTIME, "scripts": []}
        if stage in _RUNTIME:
            return {"stage": stage, "completed": _RUNTIME[stage], "scripts": []}
        if path == "/_localstack/info":
            return {
                "version": version("harness-aws-sandbox"),
                "edition": EDITION,
                "is_license_activated": False,
                "is_docker": False,
                "uptime": int(time.monotonic() - self._since),
            }
        return None

    def _pass_on(self, upstream: LocalStackUpstream, environ: Environ) -> Response:
        try:
            answer = upstream.handle(self._context, read_request(environ))
        except AwsError as error:
            body = {"code": error.code, "message": error.message}
            return _json(HTTPStatus(error.status), body)
        return Response(answer.body, status=answer.status, headers=dict(answer.headers))


def _state(status: str) -> str:
    """Return a state as LocalStack names it."""
    return status if status in SERVING else "error"


def _json(status: HTTPStatus, body: Mapping[str, object]) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
