from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from healthcheck import is_healthy


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/api/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[HTTPServer]:
    handler = type("Handler", (Answer,), {"status": request.param})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("server", "healthy"), [(200, True), (503, False)], indirect=["server"])
def test_only_200_is_healthy(server: HTTPServer, healthy: bool) -> None:
    assert is_healthy("127.0.0.1", server.server_port) is healthy


@pytest.mark.parametrize("server", [200], indirect=True)
def test_nothing_listening_is_unhealthy(server: HTTPServer) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    assert is_healthy("127.0.0.1", port) is False
