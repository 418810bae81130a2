"""A closed-loop HTTP load: a few processes, each with kept-alive connections."""

import http.client
import multiprocessing
import socket
import ssl
import statistics
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Aim:
    """Where the load goes. `ca_file` makes it HTTPS."""

    address: str
    port: int
    host: str
    path: str = "/"
    ca_file: str = ""


@dataclass(frozen=True)
class Load:
    """What was measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failures: int


def run(aim: Aim, *, seconds: float, processes: int = 2, connections: int = 8) -> Load:
    """Send as many requests as are answered, for `seconds`."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        found = pool.starmap(_one_process, [(aim, seconds, connections)] * processes)
    times = sorted(t for part in found for t in part[0])
    failures = sum(part[1] for part in found)
    return Load(
        per_second=len(times) / seconds,
        p50_ms=1000 * statistics.median(times),
        p99_ms=1000 * times[int(len(times) * 0.99)],
        failures=failures,
    )


def _one_process(aim: Aim, seconds: float, connections: int) -> tuple[list[float], int]:
    times: list[float] = []
    failed: list[int] = []
    deadline = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_one_connection, args=(aim, deadline, times, failed))
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(failed)


def _one_connection(aim: Aim, deadline: float, times: list[float], failed: list[int]) -> None:
    connection = _connect(aim)
    while time.monotonic() < deadline:
        begun = time.monotonic()
        connection.request("GET", aim.path, headers={"Host": aim.host})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            times.append(time.monotonic() - begun)
        else:
            failed.append(answer.status)


def _connect(aim: Aim) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(aim.address, aim.port, timeout=30)
    connection.sock = socket.create_connection((aim.address, aim.port), timeout=30)
    if aim.ca_file:
        context = ssl.create_default_context(cafile=aim.ca_file)
        connection.sock = context.wrap_socket(connection.sock, server_hostname=aim.host)
    return connection
