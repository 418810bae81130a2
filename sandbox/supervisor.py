"""Starts, watches and stops the sandbox's processes, on the `supervisor` package.

It knows how each process is run and how its readiness is asked; what the processes do is
their own affair.
"""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from sandbox.errors import EnvironmentNotReadyError, UsageError

_SUPERVISORD = ("-W", "ignore", "-m", "supervisor.supervisord")
_SOCKET_PATH_MAX = 100
_LOOK_S = 0.1
_LIVES = 2
"""A process may be on its way back from a death when it is awaited, but not more often."""
_GONE = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})
_HEAD = """[supervisord]
pidfile=../supervisor.pid
logfile=../log/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
nodaemon=false
silent=true
umask=077

[unix_http_server]
file=../supervisor.sock
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
_LOG = """stdout_logfile=../log/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1"""
_FOREGROUND_LOG = """stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One supervised process."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    """Variables of the person's shell that the process must not see."""
    ready_url: str = ""
    """Answers 200 once the process serves; empty means that nothing is asked."""
    ready_text: str = ""
    """Must be in that answer."""
    ready_socket: Path | None = None
    """A Unix socket that accepts once the process serves."""
    stop_timeout_s: int = 3
    """Then it is killed, which loses nothing that was acknowledged."""
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
    """The supervisor of one state directory.

    The supervisor and its processes run in `<home>/run`; that is also how those that
    outlived a killed supervisor are recognised.
    """

    def __init__(self, home: Path, log_dir: Path) -> None:
        self._home = home.resolve()
        self._run_dir = self._home / "run"
        self._log_dir = log_dir.resolve()
        self._socket = self._home / "supervisor.sock"
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_MAX:
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
        except (OSError, Fault, http.client.HTTPException):
            return False
        return True

    def start(self, specs: tuple[ProcessSpec, ...], *, wait_s: float = 30) -> None:
        """Start the supervisor with `specs`; the processes start at once.

        Raises:
            EnvironmentNotReadyError: it does not come up in `wait_s`.
        """
        self._write(specs, configuration(specs))
        done = subprocess.run(
            [sys.executable, *_SUPERVISORD, "-c", "supervisord.conf"],
            cwd=self._run_dir,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            text = (done.stderr or done.stdout).strip()
            raise EnvironmentNotReadyError(f"The supervisor does not start: {text}")
        _wait(self.is_running, wait_s, lambda: f"supervisor log: {self._tail('supervisord')}")

    def foreground(self, specs: tuple[ProcessSpec, ...]) -> tuple[list[str], Path]:
        """Return the command of a supervisor that stays in the foreground, and where to run it."""
        self._write(specs, configuration(specs, foreground=True))
        return [sys.executable, *_SUPERVISORD, "-c", "supervisord.conf"], self._run_dir

    def _write(self, specs: tuple[ProcessSpec, ...], configuration: str) -> None:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir.mkdir(parents=True, exist_ok=True)
        for spec in specs:
            write_private(self._run_dir / f"{spec.name}.sh", launch_script(spec, self._run_dir))
        write_private(self._run_dir / "supervisord.conf", configuration)

    def revive(self) -> None:
        """Start each process that gave up or was stopped; running ones are left alone."""
        for row in self.status():
            if row.state in _GONE:
                self._rpc().startProcess(row.name, False)  # noqa: FBT003  (XML-RPC: wait)

    def stop(self, *, wait_s: float = 40) -> None:
        """Stop every process at once, then the supervisor; safe to repeat."""
        if self.is_running():
            pid = int(self.pid_file.read_text())
            # `shutdown` alone would stop them one after the other.
            self._rpc().stopAllProcesses(False)  # noqa: FBT003  (XML-RPC: wait)
            _wait(
                lambda: all(row.state in _GONE for row in self.status()),
                wait_s,
                lambda: f"still stopping: {', '.join(self._unstopped())}",
            )
            self._rpc().shutdown()
            _wait(lambda: not _alive(pid), wait_s, lambda: f"supervisor {pid} is still stopping")
        self.end_orphans()

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return every process's state; empty when the supervisor is down."""
        try:
            rows = cast("list[dict[str, Any]]", self._rpc().getAllProcessInfo())
        except (OSError, Fault, http.client.HTTPException):
            return ()
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
        pids: dict[str, set[int]] = {spec.name: set() for spec in specs}
        while True:
            rows = {row.name: row for row in self.status()}
            for name, spec in list(waiting.items()):
                row = rows.get(name)
                if row is None or row.state in {"FATAL", "UNKNOWN"}:
                    raise self._not_ready(name, f"is {row.state if row else 'not supervised'}")
                pids[name] |= {row.pid} - {0}
                if len(pids[name]) > _LIVES:
                    raise self._not_ready(name, "ends again and again")
                if row.pid and _is_ready(spec):
                    del waiting[name]
                    yield name, time.monotonic() - begun
            if not waiting:
                return
            if time.monotonic() - begun > timeout_s:
                raise self._not_ready(next(iter(waiting)), f"is not ready after {timeout_s:.0f} s")
            time.sleep(_LOOK_S)

    def _not_ready(self, name: str, what: str) -> EnvironmentNotReadyError:
        return EnvironmentNotReadyError(
            f"{name} {what}. The end of its log:\n{self._tail(name)}",
            hint="`sandbox up` again waits on; `sandbox doctor` checks the machine. "
            f"The whole log: {self.log_file(name)}",
        )

    def _unstopped(self) -> list[str]:
        return [row.name for row in self.status() if row.state not in _GONE]

    def end_orphans(self) -> None:
        """End processes whose supervisor was killed; they would hold the ports."""
        pids = [_pid(path) for path in self._run_dir.glob("*.pid")]

        def alive() -> list[int]:
            return [pid for pid in pids if pid and working_directory(pid) == self._run_dir]

        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in alive():
                os.killpg(pid, number)
            deadline = time.monotonic() + 3
            while alive() and time.monotonic() < deadline:
                time.sleep(_LOOK_S)

    def _tail(self, name: str, lines: int = 15) -> str:
        path = self.log_file(name)
        if not path.exists():
            return "(no log)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])

    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor


def configuration(specs: tuple[ProcessSpec, ...], *, foreground: bool = False) -> str:
    """Return supervisord's configuration; in the foreground, lines go to standard output.

    Every path in it is relative and nothing of the user's is in it: supervisord has its own
    ideas of percent signs, quotes, commas and semicolons. See `launch_script`.
    """
    head = _HEAD.replace("nodaemon=false", "nodaemon=true") if foreground else _HEAD
    return head + "".join(
        f"""
[program:{spec.name}]
command=/bin/sh {spec.name}.sh
autostart=true
autorestart=true
startsecs=1
startretries=3
stopsignal=TERM
stopwaitsecs={spec.stop_timeout_s}
killasgroup=true
redirect_stderr=true
{_FOREGROUND_LOG if foreground else _LOG.format(name=spec.name)}
"""
        for spec in specs
    )


def launch_script(spec: ProcessSpec, directory: Path) -> str:
    """Return the shell script that becomes the process: its directory, variables, command."""
    rows = ["#!/bin/sh", f"# How `sandbox up` starts `{spec.name}`."]
    rows += [f"cd {shlex.quote(str(directory))} || exit 1", f"echo $$ > {spec.name}.pid"]
    rows += [f"unset {name}" for name in spec.unset]
    rows += [f"export {name}={shlex.quote(value)}" for name, value in spec.env.items()]
    return "\n".join([*rows, f"exec {shlex.join(spec.command)}", ""])


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)


def working_directory(pid: int) -> Path | None:
    """Return a process's working directory; None when it is gone or not ours to see."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def _is_ready(spec: ProcessSpec) -> bool:
    if spec.ready_socket is not None and not _accepts(socket.AF_UNIX, str(spec.ready_socket)):
        return False
    if spec.port and not _accepts(socket.AF_INET, ("127.0.0.1", spec.port)):
        return False
    if not spec.ready_url:
        return True
    answer = _answer(spec.ready_url)
    return answer is not None and spec.ready_text in answer


def _answer(url: str) -> str | None:
    """Return the body of a 200 answer; None for any other, or none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 else None


def _accepts(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def _pid(path: Path) -> int:
    text = path.read_text().strip()
    return int(text) if text.isdigit() else 0


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
