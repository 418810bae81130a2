"""Starts, watches and stops the sandbox's processes, on the `supervisor` package.

It knows how each process is run and how its readiness is asked; what the processes do is
their own affair.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

import requests
from supervisor.xmlrpc import SupervisorTransport

from sandbox.errors import DependencyError, EnvironmentNotReadyError, UsageError

_SOCKET_PATH_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One supervised process."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_url: str = ""
    """Answers 200 once the process serves; empty means that nothing is asked."""
    ready_text: str = ""
    """Must be in that answer."""
    ready_socket: Path | None = None
    """A Unix socket that accepts once the process serves."""
    stop_timeout_s: int = 10
    port: int = 0
    """The TCP port that must be free before the start; 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """How one process stands."""

    name: str
    state: str
    pid: int
    uptime_s: int
    detail: str


class Supervisor:
    """The supervisor of one state directory."""

    def __init__(self, home: Path, log_dir: Path) -> None:
        self._home = home.resolve()
        self._log_dir = log_dir.resolve()
        self._socket = self._home / "supervisor.sock"
        if len(str(self._socket)) > _SOCKET_PATH_MAX:
            raise UsageError(
                f"The state directory's path is too long for a Unix socket: {self._home}",
                hint="Set SANDBOX_HOME to a shorter path.",
            )

    @property
    def pid_file(self) -> Path:
        """Where supervisord writes its process id."""
        return self._home / "supervisor.pid"

    def is_running(self) -> bool:
        """Tell whether the supervisor answers."""
        try:
            self._rpc().getState()
        except (OSError, Fault):
            return False
        return True

    def start(self, specs: tuple[ProcessSpec, ...], *, wait_s: float = 10) -> None:
        """Start the supervisor with `specs`; the processes start at once.

        Raises:
            EnvironmentNotReadyError: it does not come up in `wait_s`.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        config = self._home / "supervisord.conf"
        config.write_text(self._configuration(specs))
        config.chmod(0o600)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(config)],
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise EnvironmentNotReadyError(f"The supervisor does not start: {done.stderr.strip()}")
        _wait(self.is_running, wait_s, lambda: f"supervisor log: {self._tail('supervisord')}")

    def stop(self, *, wait_s: float = 40) -> None:
        """Stop every process, then the supervisor; safe to repeat."""
        if not self.is_running():
            return
        pid = int(self.pid_file.read_text())
        self._rpc().shutdown()
        _wait(lambda: not _alive(pid), wait_s, lambda: f"supervisor {pid} is still stopping")

    def restart(self, name: str) -> None:
        """Stop and start one process."""
        rpc = self._rpc()
        rpc.stopProcess(name)
        rpc.startProcess(name)

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return every process's state; empty when the supervisor is down."""
        if not self.is_running():
            return ()
        rows = cast("list[dict[str, Any]]", self._rpc().getAllProcessInfo())
        return tuple(
            ProcessStatus(
                name=str(row["name"]),
                state=str(row["statename"]),
                pid=int(row["pid"]),
                uptime_s=max(0, int(row["now"]) - int(row["start"])) if row["pid"] else 0,
                detail=str(row["spawnerr"] or row["description"]),
            )
            for row in rows
        )

    def log_file(self, name: str) -> Path:
        """Return the log of process `name`."""
        return self._log_dir / f"{name}.log"

    def wait_ready(
        self, specs: tuple[ProcessSpec, ...], *, timeout_s: float
    ) -> Iterator[tuple[str, float]]:
        """Yield (name, seconds) as each process becomes ready.

        Raises:
            EnvironmentNotReadyError: one gave up or is not ready in time; carries its log.
        """
        begun = time.monotonic()
        waiting = {spec.name: spec for spec in specs}
        while waiting:
            states = {row.name: row for row in self.status()}
            for name, spec in list(waiting.items()):
                row = states.get(name)
                if row is None or row.state in {"FATAL", "EXITED"}:
                    raise self._not_ready(name, row.state if row else "UNKNOWN")
                if row.state == "RUNNING" and _is_ready(spec):
                    del waiting[name]
                    yield name, time.monotonic() - begun
            if waiting and time.monotonic() - begun > timeout_s:
                name = next(iter(waiting))
                raise self._not_ready(name, f"not ready after {timeout_s:.0f} s")
            time.sleep(0.03 if waiting else 0)

    def _not_ready(self, name: str, state: str) -> EnvironmentNotReadyError:
        return EnvironmentNotReadyError(
            f"{name} is {state}. The end of its log:\n{self._tail(name)}",
            hint=f"See {self.log_file(name)}; `sandbox doctor` checks the machine.",
        )

    def _tail(self, name: str, lines: int = 15) -> str:
        path = self.log_file(name)
        if not path.exists():
            return "(no log)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])

    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def _configuration(self, specs: tuple[ProcessSpec, ...]) -> str:
        head = f"""[supervisord]
pidfile={self.pid_file}
logfile={self._log_dir}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
childlogdir={self._log_dir}
nodaemon=false
silent=true
umask=077

[unix_http_server]
file={self._socket}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
        return head + "".join(self._program(spec) for spec in specs)

    def _program(self, spec: ProcessSpec) -> str:
        command = " ".join(_quote(word) for word in spec.command)
        environment = ",".join(f"{name}={_quote(value)}" for name, value in spec.env.items())
        return f"""
[program:{spec.name}]
command={command}
environment={environment}
directory={Path.cwd()}
autostart=true
autorestart=true
startsecs=0
startretries=10
stopsignal=TERM
stopwaitsecs={spec.stop_timeout_s}
redirect_stderr=true
stdout_logfile={self.log_file(spec.name)}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


def check_ports(specs: tuple[ProcessSpec, ...], bind: str) -> None:
    """Refuse to start where a port is taken.

    Raises:
        DependencyError: names the port, its process where /proc tells, and the setting.
    """
    for spec in specs:
        if not spec.port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((bind, spec.port))
            except OSError as error:
                holder = port_holder(spec.port)
                by = f" by {holder}" if holder else ""
                raise DependencyError(
                    f"Port {spec.port} on {bind} (for `{spec.name}`) is taken{by}.",
                    hint=f"Stop that process, or set SANDBOX_{spec.name.upper()}_PORT.",
                ) from error


def port_holder(port: int) -> str:
    """Return `name (pid N)` of the process that listens on `port`, or an empty string."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            cells = row.split()
            if cells[3] == "0A" and int(cells[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{cells[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{name} (pid {process.name})"
        except OSError:
            continue
    return ""


def which(name: str) -> str:
    """Return a program of this virtual environment, or of PATH.

    Raises:
        DependencyError: it is in neither.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise DependencyError(f"The program {name!r} is missing.", hint="Run `make setup` again.")
    return found


def _quote(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _is_ready(spec: ProcessSpec) -> bool:
    if spec.ready_socket is not None and not _accepts(socket.AF_UNIX, str(spec.ready_socket)):
        return False
    if spec.port and not _accepts(socket.AF_INET, ("127.0.0.1", spec.port)):
        return False
    if not spec.ready_url:
        return True
    try:
        answer = requests.get(spec.ready_url, timeout=2, proxies={"http": "", "https": ""})
    except requests.RequestException:
        return False
    return answer.status_code == 200 and spec.ready_text in answer.text


def _accepts(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait(condition: Callable[[], bool], timeout_s: float, last_state: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise EnvironmentNotReadyError(f"Timed out after {timeout_s:.0f} s: {last_state()}")
        time.sleep(0.02)
