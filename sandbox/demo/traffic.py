"""Steady HTTPS traffic through a load balancer, and who answered when."""

import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was answered, by which version, with which status (0: none)."""

    at: float
    version: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the requests go: a name, and the address and port that really listen."""

    host: str
    address: str
    port: int
    path: str
    ca_file: Path


class SteadyTraffic:
    """Sends requests at a steady rate from a few kept-alive connections until stopped.

    Args:
        destination: the load balancer and the path.
        rate: requests per second, over all connections.
        connections: how many; each is one thread.
    """

    def __init__(self, destination: Destination, *, rate: float, connections: int = 4) -> None:
        self._to = destination
        self._pause_s = connections / rate
        self._stop = threading.Event()
        self._answers: list[Answer] = []
        self._threads = [
            threading.Thread(target=self._run, daemon=True, name=f"traffic-{n}")
            for n in range(connections)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> tuple[Answer, ...]:
        """End, and return every answer in the order of arrival."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)
        return self.answers()

    def answers(self) -> tuple[Answer, ...]:
        """Return the answers so far."""
        return tuple(self._answers)

    def _run(self) -> None:
        connection: http.client.HTTPSConnection | None = None
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause_s, time.monotonic() - 1)
            try:
                connection = connection or self._connect()
                connection.request("GET", self._to.path, headers={"Host": self._to.host})
                answer = connection.getresponse()
                answer.read()
                version = answer.getheader("X-App-Version", "")
                self._answers.append(Answer(time.time(), version, answer.status))
            except (OSError, http.client.HTTPException):
                self._answers.append(Answer(time.time(), "", 0))
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._to.ca_file))
        connection = http.client.HTTPSConnection(self._to.host, self._to.port, timeout=20)
        raw = socket.create_connection((self._to.address, self._to.port), timeout=20)
        connection.sock = context.wrap_socket(raw, server_hostname=self._to.host)
        return connection
