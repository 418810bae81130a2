"""The one AWS endpoint: finds who answers a request; it knows no service's meaning.

/_sandbox/<name>   operator routes, registered by their parts; /_sandbox/health is here
/v2/...            the OCI registry of ECR
anything else      by signing scope or X-Amz-Target: a LocalStack behind us where there is
                   one and it has the service, else a service of ours, else moto
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Protocol
from wsgiref.types import StartResponse

from sandbox.aws.names import host_of, path_style
from sandbox.aws.wire import (
    AwsService,
    HeaderMap,
    RequestContext,
    WireRequest,
    WireResponse,
    error_response,
    form_parameters,
    session_token,
    signing_scope,
)
from sandbox.errors import AwsError

log = logging.getLogger(__name__)

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

HEALTH_PATH = "/_sandbox/health"
REGISTRY_PREFIX = "/v2/"

_SIGNING_NAMES = {"elasticloadbalancing": "elbv2"}
"""Signing name to botocore's service name, where they differ."""

_TARGETS = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "Logs_20140328": "logs",
}
"""`X-Amz-Target` prefixes of our services, for requests that nobody signed."""

_CLASSIC_ELB_VERSION = "2012-06-01"


class Forwarder(Protocol):
    """Who answers what is not ours: moto."""

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Answer one request; concurrent calls are expected."""

    def services(self) -> Sequence[str]:
        """Return botocore names of the services that it can answer for."""


class Upstream(Protocol):
    """Another emulator behind the gateway: it comes first, for the services that it takes."""

    def takes(self, service: str) -> bool:
        """Tell whether requests signed for `service` are its own.

        Raises:
            AwsError: ServiceUnavailable, when it should be and does not answer.
        """

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Answer one request; concurrent calls are expected."""

    def rows(self, known: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        """Return service name to `status` and `by`, for what it takes or should take.

        Args:
            known: the services that others here can answer for.

        """

    def health(self) -> Mapping[str, object]:
        """Return its `url`, its `status` (running | unreachable) and what it says."""


class Recorder(Protocol):
    """Who keeps note of what passed. Both methods are quick and never raise."""

    def record(
        self, service: str, context: RequestContext, request: WireRequest, answer: WireResponse
    ) -> None:
        """Note one AWS request and its answer."""

    def record_registry(
        self, context: RequestContext, request: WireRequest, status: HTTPStatus
    ) -> None:
        """Note one request to the OCI registry, its content apart."""


class Lifecycle(Protocol):
    """A part with a background loop."""

    def start(self) -> None:
        """Start the loop; called once, in the process that serves."""

    def stop(self) -> None:
        """Stop the loop and wait for it."""


class Gateway:
    """WSGI application of the local AWS."""

    def __init__(  # noqa: PLR0913 - one argument a neighbour; all have defaults but four
        self,
        *,
        services: Mapping[str, AwsService],
        moto: Forwarder,
        account_id: str,
        region: str,
        registry: WsgiApp | None = None,
        routes: Mapping[str, WsgiApp] | None = None,
        loops: Sequence[Lifecycle] = (),
        upstream: Upstream | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Compose the endpoint.

        Args:
            services: ours, by botocore's service name.
            moto: answers for every other service.
            account_id: the account of every caller.
            region: the region of unsigned requests.
            registry: the OCI registry, for `/v2/`.
            routes: path prefix (`/_sandbox/...`) to WSGI application.
            loops: parts to start with `start()` and to stop in reverse order.
            upstream: answers, before ours and moto, for what it takes.
            recorder: is told of every request, once it is answered.

        """
        self._services = dict(services)
        self._moto = moto
        self._account_id = account_id
        self._region = region
        self._registry = registry
        self._routes = dict(routes or {})
        self._loops = tuple(loops)
        self._upstream = upstream
        self._recorder = recorder

    def start(self) -> None:
        """Start every background loop, in order."""
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Stop every background loop, last one first."""
        for loop in reversed(self._loops):
            loop.stop()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        path = environ.get("PATH_INFO", "/")
        if path == HEALTH_PATH:
            return _send(self._health(), start_response)
        for prefix, application in self._routes.items():
            if path == prefix or path.startswith(prefix.rstrip("/") + "/"):
                return application(environ, start_response)
        if path.startswith("/_sandbox/"):
            return _send(_no_route(path), start_response)
        # A bucket may be named "v2"; its requests are signed for S3, a registry's never are.
        if f"{path}/".startswith(REGISTRY_PREFIX) and not _is_signed(environ):
            return self._serve_registry(environ, start_response)
        request = path_style(read_request(environ))
        return _send(self.handle(request), start_response)

    def handle(self, request: WireRequest) -> WireResponse:
        """Answer one AWS request; never raises."""
        scope = signing_scope(request)
        context = RequestContext(
            account_id=self._account_id,
            region=scope.region if scope else self._region,
            access_key_id=scope.access_key_id if scope else "",
            session_token=session_token(request),
            user_agent=request.headers.get("User-Agent", ""),
            host=host_of(request),
        )
        name = self.service_name(request)
        answer = self._answer(name, context, request)
        if self._recorder is not None:
            self._recorder.record(name, context, request, answer)
        return answer

    def _answer(self, name: str, context: RequestContext, request: WireRequest) -> WireResponse:
        try:
            if self._upstream is not None and self._upstream.takes(name):
                return self._upstream.handle(context, request)
            service = self._services.get(name)
            if service is not None:
                return service.handle(context, request)
            return self._moto.handle(context, request)
        except AwsError as error:
            return error_response(request, error)
        except Exception as error:
            # The edge of the server: one broken request must not end the others.
            log.exception("request_failed", extra={"service": name, "path": request.path})
            message = f"The local AWS failed in {name or 'moto'}: {type(error).__name__}: {error}"
            return error_response(request, AwsError("InternalFailure", message, status=500))

    def service_name(self, request: WireRequest) -> str:
        """Return botocore's name of the service that a request is for; "" when unknown."""
        scope = signing_scope(request)
        if scope is None:
            prefix = request.headers.get("X-Amz-Target", "").partition(".")[0]
            return _TARGETS.get(prefix, "")
        if scope.service == "elasticloadbalancing":
            classic = form_parameters(request).get("Version") == _CLASSIC_ELB_VERSION
            return "elb" if classic else "elbv2"
        return _SIGNING_NAMES.get(scope.service, scope.service)

    def _health(self) -> WireResponse:
        ours = {name: {"status": "running", "by": "sandbox"} for name in self._services}
        theirs = {
            name: {"status": "running", "by": "moto"}
            for name in self._moto.services()
            if name not in ours
        }
        body: dict[str, object] = {"status": "running"}
        services: dict[str, Mapping[str, str]] = {**theirs, **ours}
        if self._upstream is not None:
            state = self._upstream.health()
            body = {"status": "running" if state["status"] == "running" else "degraded"}
            body["localstack"] = state
            services = {**services, **self._upstream.rows(services)}
        body["services"] = dict(sorted(services.items()))
        return _json(HTTPStatus.OK, body)

    def _serve_registry(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if self._registry is None:
            error = {"code": "UNSUPPORTED", "message": "The local AWS has no registry."}
            return _send(_json(HTTPStatus.NOT_IMPLEMENTED, {"errors": [error]}), start_response)
        if self._recorder is None:
            return self._registry(environ, start_response)
        answered: list[HTTPStatus] = []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            answered.append(HTTPStatus(int(status.split(maxsplit=1)[0])))
            return start_response(status, headers, *error)

        body = self._registry(environ, start)
        context = RequestContext(
            account_id=self._account_id,
            region=self._region,
            user_agent=environ.get("HTTP_USER_AGENT", ""),
        )
        for status in answered:
            self._recorder.record_registry(context, read_head(environ), status)
        return body


def read_request(environ: Environ) -> WireRequest:
    """Read a WSGI request whole."""
    return replace(read_head(environ), body=_read_body(environ))


def read_head(environ: Environ) -> WireRequest:
    """Read a WSGI request without its body."""
    headers = HeaderMap()
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").title()] = value
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    path = environ.get("PATH_INFO", "/")
    query = environ.get("QUERY_STRING", "")
    raw_uri = environ.get("RAW_URI") or (f"{path}?{query}" if query else path)
    return WireRequest(
        method=environ["REQUEST_METHOD"],
        path=path.encode("latin-1").decode("utf-8", "replace"),
        query_string=query,
        headers=headers,
        body=b"",
        raw_uri=raw_uri,
        remote_address=environ.get("REMOTE_ADDR") or "127.0.0.1",
    )


def _read_body(environ: Environ) -> bytes:
    source = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body: bytes = source.read(int(length))
        return body
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        chunked: bytes = source.read()  # the server ends the stream at the last chunk
        return chunked
    return b""


def _is_signed(environ: Environ) -> bool:
    return "AWS4-HMAC-SHA256" in environ.get("HTTP_AUTHORIZATION", "") + environ.get(
        "QUERY_STRING", ""
    )


def _send(answer: WireResponse, start_response: StartResponse) -> Iterable[bytes]:
    headers = [(k, v) for k, v in answer.headers.items() if k.lower() != "content-length"]
    # An answer to HEAD has no body, and still says how long the object is.
    lengths = [v for k, v in answer.headers.items() if k.lower() == "content-length"]
    length = str(len(answer.body)) if answer.body or not lengths else lengths[0]
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append(("Content-Length", length))
    start_response(f"{answer.status} {_phrase(answer.status)}", headers)
    return [answer.body]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _json(status: HTTPStatus, body: Mapping[str, object]) -> WireResponse:
    headers = {"Content-Type": "application/json"}
    return WireResponse(status=status, headers=headers, body=json.dumps(body).encode())


def _no_route(path: str) -> WireResponse:
    return _json(HTTPStatus.NOT_FOUND, {"message": f"The local AWS has no route {path}."})
