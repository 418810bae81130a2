"""Target health where tasks only seem to run: what Envoy would have found, had it probed.

It answers on Envoy's admin socket and writes Envoy's event log, so that everything behind
them is the real thing. A target is healthy while its container runs, unless the image's
script or `set_health` says UNHEALTHY. No traffic is carried.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

from sandbox.aws.elbv2.bootstrap import admin_socket, health_log
from sandbox.aws.runtime.fake import FakeMachine, FakeRuntime
from sandbox.aws.runtime.port import (
    ContainerState,
    HealthStatus,
    TaskObservation,
    TaskSpec,
)
from sandbox.settings import Settings

_BACKLOG = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A port of a task, and whether its container is well."""

    address: str
    port: int
    is_healthy: bool


class StandingRuntime(FakeRuntime):
    """The fake, whose tasks accept connections (and say nothing), and which remembers them."""

    def __init__(self) -> None:
        super().__init__(FakeMachine())
        self.told: list[dict[str, Any]] = []
        """Every container that it was told to run, those that are gone too."""
        self._doors: dict[str, list[socket.socket]] = {}

    def create_task(self, spec: TaskSpec) -> TaskObservation:
        """See the port."""
        with self.machine.lock:
            if spec.task_arn in self.machine.tasks:
                return self.machine.tasks[spec.task_arn]
            task = {"taskArn": spec.task_arn, "cluster": spec.cluster, "family": spec.family}
            self.told += [{**task, **asdict(container)} for container in spec.containers]
            made = super().create_task(spec)
            doors = {port: _door(made.address) for port in made.ports}
            self._doors[spec.task_arn] = list(doors.values())
            ports = {port: int(door.getsockname()[1]) for port, door in doors.items()}
            opened = replace(
                made, address=_address(made.address, self._doors[spec.task_arn]), ports=ports
            )
            self.machine.tasks[spec.task_arn] = opened
            return opened

    def remove_task(self, task_arn: str) -> None:
        """See the port."""
        super().remove_task(task_arn)
        for door in self._doors.pop(task_arn, ()):
            door.close()

    def endpoints(self) -> list[Endpoint]:
        """Return the ports of all tasks with their health."""
        with self.machine.lock:
            return [
                Endpoint(
                    address=task.address,
                    port=real,
                    is_healthy=self._is_healthy(task, port),
                )
                for task in self.machine.tasks.values()
                for port, real in task.ports.items()
            ]

    def _is_healthy(self, task: TaskObservation, port: int) -> bool:
        specs = self.machine.specs[task.task_arn]
        seen = {container.name: container for container in task.containers}
        owners = [spec for spec in specs.values() if port in spec.container_ports]
        return all(
            seen[spec.name].state is ContainerState.RUNNING
            and seen[spec.name].health is not HealthStatus.UNHEALTHY
            and self.machine.program(spec.image).health is not HealthStatus.UNHEALTHY
            for spec in owners
        )


class PretendEnvoy:
    """Envoy's admin interface, as far as target health asks it."""

    def __init__(
        self, settings: Settings, runtime: StandingRuntime, groups: Callable[[], Sequence[str]]
    ) -> None:
        self._socket = admin_socket(settings.envoy_dir)
        self._log = health_log(settings.envoy_dir)
        self._runtime = runtime
        self._groups = groups

    def start(self) -> None:
        """Serve on the admin socket until the process ends."""
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        server = socketserver.ThreadingUnixStreamServer(str(self._socket), _handler(self.clusters))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True, name="envoy-admin").start()

    def clusters(self) -> dict[str, object]:
        """Return `/clusters`: every port of a task as a host of every target group.

        A group asks for its own targets only, so the others do no harm.
        """
        endpoints, groups = self._runtime.endpoints(), list(self._groups())
        self._log_failures(groups, endpoints)
        hosts = [_host(endpoint) for endpoint in endpoints]
        return {"cluster_statuses": [{"name": arn, "host_statuses": hosts} for arn in groups]}

    def _log_failures(self, groups: Sequence[str], endpoints: Sequence[Endpoint]) -> None:
        now = datetime.now(UTC).isoformat()
        lines = [
            json.dumps(
                {
                    "cluster_name": arn,
                    "timestamp": now,
                    "host": {"socket_address": _socket_address(endpoint)},
                    "health_check_failure_event": {
                        "failure_type": "ACTIVE",
                        "http_status_code": 503,
                    },
                }
            )
            for arn in groups
            for endpoint in endpoints
            if not endpoint.is_healthy
        ]
        if lines:
            with self._log.open("a") as file:
                file.write("\n".join(lines) + "\n")


def _host(endpoint: Endpoint) -> dict[str, object]:
    health = {} if endpoint.is_healthy else {"failed_active_health_check": True}
    address = {"socket_address": _socket_address(endpoint)}
    return {"address": address, "health_status": health}


def _socket_address(endpoint: Endpoint) -> dict[str, object]:
    return {"address": endpoint.address, "port_value": endpoint.port}


def _door(address: str) -> socket.socket:
    """Open a port of the task; where only 127.0.0.1 exists (macOS), there."""
    for host in (address, "127.0.0.1"):
        with suppress(OSError):
            return socket.create_server((host, 0), backlog=_BACKLOG)
    raise OSError(f"no port can be opened on {address}")


def _address(wanted: str, doors: Sequence[socket.socket]) -> str:
    hosts: Iterator[str] = (str(door.getsockname()[0]) for door in doors)
    return next(hosts, wanted)


def _handler(clusters: Callable[[], dict[str, object]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(clusters()).encode() if self.path.startswith("/clusters") else b"LIVE"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
