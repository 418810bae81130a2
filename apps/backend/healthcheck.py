"""The image's health check: exit 0 when the service on this host answers 200."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException


def is_healthy(host: str, port: int, *, timeout_s: float = 3) -> bool:
    """Ask `/api/health` once."""
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_healthy("127.0.0.1", 5000) else 1)
