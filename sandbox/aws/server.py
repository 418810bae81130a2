"""The process of the local AWS: composes its parts and serves them; no part's logic.

gunicorn with one threaded worker. The parts are built and their loops started in the
worker, so a worker that dies is built anew from its state directory by the master.
"""

import ctypes
import json
import logging
import os
import signal
import sys
from typing import Any

from gunicorn.app.base import BaseApplication

from sandbox.errors import SandboxError, not_writable
from sandbox.host import host_environment
from sandbox.listening import require_free_port
from sandbox.settings import Settings

THREADS = 32
GRACE_S = 10
WORKER_SILENCE_S = 120
"""A worker whose main thread is silent for so long is replaced."""
_PR_SET_PDEATHSIG = 1
_HASH_SEED = "PYTHONHASHSEED"
_LOG_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    _settle_hash_order()
    settings = Settings()
    _log_to_stderr()
    try:
        prepare(settings)
    except SandboxError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    Server(settings).run()
    return 0


def prepare(settings: Settings) -> None:
    """Check what the server needs before it forks.

    Raises:
        DependencyError: the port is taken, or the state directory cannot be written.

    """
    try:
        settings.aws_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.aws_dir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise not_writable(settings.home, error) from error
    require_free_port(
        settings.bind, settings.aws_port, what="sandbox.aws.server", setting="SANDBOX_AWS_PORT"
    )


def _settle_hash_order() -> None:
    """Start over with a fixed hash seed, so that a set has the same order in every run.

    moto walks over sets of strings here and there; a replay of its requests must walk the
    same way. The hash seed of Python can be set by the environment only.
    """
    environment = host_environment()
    if environment.get(_HASH_SEED) != "0":
        command = [sys.executable, "-m", "sandbox.aws.server"]
        os.execve(sys.executable, command, environment | {_HASH_SEED: "0"})  # noqa: S606


class _FieldFormatter(logging.Formatter):
    """The event's name, then its fields as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in vars(record).items() if k not in _LOG_RECORD}
        text = super().format(record)
        line, newline, trace = text.partition("\n")
        return line + (f" {json.dumps(fields, default=str)}" if fields else "") + newline + trace


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_FieldFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _die_with_parent(_server: Any, _worker: Any) -> None:
    """Have the kernel end this worker when its master ends, however that happens."""
    if sys.platform == "linux":  # elsewhere gunicorn notices within a second
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn around the gateway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gateway: Any = None
        super().__init__()

    def load_config(self) -> None:
        """Configure gunicorn; nothing is read from its own files or variables."""
        options = {
            "bind": f"{self._settings.bind}:{self._settings.aws_port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "keepalive": 75,
            "timeout": WORKER_SILENCE_S,
            "graceful_timeout": GRACE_S,
            "control_socket_disable": True,
            "proc_name": "sandbox-aws",
            "post_fork": _die_with_parent,
            "post_worker_init": self._start_loops,
            "worker_exit": self._stop_loops,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the gateway; gunicorn calls this in the worker, after the fork."""
        # Imported here so that the master stays small: it only watches the worker.
        from sandbox.aws.moto_plane import ec2_tables

        ec2_tables.install()  # before any part imports moto's EC2, if only by the way
        from sandbox.aws.composition import build_gateway

        self._gateway = build_gateway(self._settings)
        return self._gateway

    def _start_loops(self, _worker: Any) -> None:
        self._gateway.start()

    def _stop_loops(self, _server: Any, _worker: Any) -> None:
        if self._gateway is not None:
            self._gateway.stop()


if __name__ == "__main__":
    sys.exit(main())
