"""One request to the right service of moto and back; it keeps no state and no journal."""

import functools
import io
import logging
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import unquote_to_bytes

import moto.backends
import moto.moto_server.werkzeug_app as moto_server
from flask import Flask
from moto.core.responses import BaseResponse
from moto.core.utils import convert_to_flask_response

from sandbox.aws.moto_plane.responses import FullBudgetsResponse, TaggedAutoScalingResponse
from sandbox.aws.wire import WireRequest, WireResponse, error_response
from sandbox.errors import AwsError

log = logging.getLogger(__name__)

_RESPONSES: Mapping[str, type[BaseResponse]] = {
    "ApplicationAutoScalingResponse": TaggedAutoScalingResponse,
    "BudgetsResponse": FullBudgetsResponse,
}
"""moto's response class to the one of ours that extends it."""


class Dispatcher(moto_server.DomainDispatcherApplication):
    """moto's own choice of service, with its answers cached."""

    def __init__(self, account_id: str) -> None:
        """Serve `account_id`."""
        super().__init__(self._create)
        # Imported by name, so it is set where it is read: no request here needs CORS.
        moto_server.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined]
        self._account_id = account_id
        self.get_backend_for_host = functools.cache(  # type: ignore[method-assign]
            super().get_backend_for_host
        )

    def service(self, request: WireRequest) -> str:
        """Return moto's name of the service that `request` is for.

        Raises:
            AwsError: NotImplemented when moto has no such service.

        """
        environ = self._environ(request)
        host = self.infer_service_region_host(environ, str(environ["PATH_INFO"]))
        name = self.get_backend_for_host(host or "s3.us-east-1.amazonaws.com")
        if name is None:
            message = f"The local AWS does not implement the service behind {host}."
            raise AwsError("NotImplemented", message, status=501)
        return cast("str", name)

    def application(self, service: str) -> Flask:
        """Return the Flask application of one service, loading it on first use."""
        application = self.app_instances.get(service)
        if application is None:
            with self.lock:
                if service not in self.app_instances:
                    self.app_instances[service] = self._create(service)
                application = self.app_instances[service]
        return application

    def call(self, service: str, request: WireRequest) -> WireResponse:
        """Run one request; what moto lacks or breaks on becomes an AWS error answer."""
        captured: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None
        ) -> Callable[[bytes], object]:
            captured.append((status, headers))
            return lambda _chunk: None

        environ = self._environ(request)
        try:
            chunks = self.application(service)(environ, start_response)
            body = b"".join(chunks)
        except (NotImplementedError, ModuleNotFoundError) as error:
            # The latter: a service of moto whose own dependencies are not installed.
            return error_response(request, AwsError("NotImplemented", str(error), status=501))
        except Exception as error:
            # The edge of someone else's code: one broken request must not end the server.
            log.exception("moto_failed", extra={"service": service, "path": request.path})
            message = f"moto failed in {service}: {type(error).__name__}: {error}"
            # 501, not 500: clients repeat a 500 for minutes, and moto would fail again.
            return error_response(request, AwsError("InternalFailure", message, status=501))
        status, headers = captured[0]
        return WireResponse(status=int(status.split()[0]), headers=dict(headers), body=body)

    def _create(self, service: str) -> Flask:
        name = cast("moto.backends.SERVICE_NAMES", service)
        application = moto_server.create_backend_app(name)
        application.debug = False
        application.config["PROPAGATE_EXCEPTIONS"] = True
        for endpoint in application.view_functions:
            ours = _RESPONSES.get(endpoint.partition(".")[0])
            if ours is not None:
                view = convert_to_flask_response(ours.dispatch)
                application.view_functions[endpoint] = view
        return application

    def _environ(self, request: WireRequest) -> dict[str, object]:
        raw_path, _, query = (request.raw_uri or request.path).partition("?")
        environ: dict[str, object] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
            "QUERY_STRING": request.query_string or query,
            "RAW_URI": request.raw_uri or request.path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(request.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
                environ[f"HTTP_{key}"] = value
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        return environ
