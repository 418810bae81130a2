"""The whole fake Harness in one process, for tests: API, engine and one delegate in threads.

A test runner makes it once and forks it for each test (`prepare` and `start` run in the fork).
It is not how a sandbox runs: there each part is a process of its own and outlives the others.
"""

import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine
from werkzeug.serving import WSGIRequestHandler, make_server

from fake_harness.api.app import create_app
from fake_harness.api.wire import Backend
from fake_harness.delegate.attach import is_alive
from fake_harness.delegate_main import DelegateAgent
from fake_harness.engine.loop import EngineLoop
from fake_harness.settings import DelegateSettings, Settings

_LOOK_S = 0.5

Wish = dict[str, Any]


class OneProcess:
    """What a fork server runs: made once, started in each fork."""

    warm_ups: Sequence[Callable[[], None]] = ()

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        """Make the application over `folder/state`, which is another place in each fork."""
        host, port = listener.getsockname()[:2]
        self._url = f"http://{host}:{port}"
        self._delegate = DelegateSettings()
        self._begun = threading.Event()
        state = folder / "state"
        self._settings = Settings(
            state_dir=state, master_key_file=state / "master.key", public_url=self._url
        )
        # It makes the tables and the key, of which each fork gets a copy.
        self._app = create_app(self._settings)
        self._app.test_client().get("/health")
        # What the engine asks of the database first is then compiled in each fork.
        EngineLoop(database=self._database(), time_scale=1, public_url=self._url).tick()
        self._database().dispose()  # no connection may cross a fork
        self._template = folder / "template"
        state.rename(self._template)

    def prepare(self, home: Path, wish: Wish) -> None:
        """Lay out the state of this fork, and have every thread wait for `start`."""
        for file in self._template.iterdir():
            shutil.copy(file, home)
        _configure_logging()
        time_scale = float(wish["timeScale"])
        mine = {
            "manager_url": self._url,
            "work_dir": home / "delegate",
            "time_scale": time_scale,
        }
        delegate = DelegateAgent(self._delegate.model_copy(update=mine))
        engine = EngineLoop(database=self._database(), time_scale=time_scale, public_url=self._url)
        self._run_once_begun("engine", engine.run)
        self._run_once_begun("delegate", delegate.run)

    def start(self, listener: socket.socket) -> None:
        """Serve the API on `listener`, and let the engine and the delegate go."""
        _serve(self._app, listener)
        self._begun.set()

    def _run_once_begun(self, name: str, run: Callable[[], None]) -> None:
        def wait_and_run() -> None:
            self._begun.wait()
            run()

        threading.Thread(target=wait_and_run, name=name, daemon=True).start()

    def _database(self) -> Engine:
        backend: Backend = self._app.extensions["harness"]
        return backend.engine

    def call(self, name: str, arguments: Wish) -> object:
        """Answer nothing: all of Harness is reached over HTTP."""
        raise ValueError(f"Harness knows no {name}({arguments}) beside its API")

    def end_leftovers(self, home: Path) -> None:
        """Kill the steps that a killed life left running, and all that they started."""
        for path in home.glob("delegate/tasks/*/*/pid"):
            if is_alive(path.parent):
                os.killpg(int(path.read_text().split()[0]), signal.SIGKILL)


def _configure_logging() -> None:
    """Write warnings to the log of the test's servers."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  werkzeug's name
        """Say nothing: the log is for what went wrong."""


def _serve(app: Callable[..., Any], listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    server = make_server(
        host, port, app, threaded=True, request_handler=_Quiet, fd=listener.fileno()
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(_LOOK_S,), daemon=True).start()
