"""Serves a WSGI application on a socket that is already listening; quiet, one thread a request."""

import socket
import threading
from collections.abc import Callable
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

_LOOK_S = 0.5


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  werkzeug's name
        """Say nothing: a test run makes thousands of requests."""


def serve(app: Callable[..., Any], listener: socket.socket) -> None:
    """Serve `app` on `listener` in threads that end with the process."""
    host, port = listener.getsockname()[:2]
    server = make_server(
        host, port, app, threaded=True, request_handler=_Quiet, fd=listener.fileno()
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(_LOOK_S,), daemon=True).start()
