"""Reads Envoy's admin interface over its unix socket; it interprets no answer."""

import http.client
import json
import socket
from pathlib import Path
from typing import cast

from sandbox.types import JsonObject

_TIMEOUT_S = 2.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class EnvoyAdmin:
    """The admin interface behind one socket; every call opens its own connection."""

    def __init__(self, admin_socket: Path) -> None:
        self._socket = admin_socket

    def get(self, path: str) -> bytes:
        """Return the body of an answer.

        Raises:
            OSError: Envoy does not run, or does not answer in time.

        """
        connection = _UnixConnection(self._socket)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except http.client.HTTPException as broken:
            raise OSError(str(broken)) from broken
        finally:
            connection.close()

    def is_live(self) -> bool:
        """Tell whether Envoy runs and has its first configuration."""
        try:
            return self.get("/ready").startswith(b"LIVE")
        except OSError:
            return False

    def clusters(self) -> JsonObject:
        """Return `/clusters`.

        Raises:
            OSError: as `get`.

        """
        return cast("JsonObject", json.loads(self.get("/clusters?format=json")))
