"""A server that is born anew in milliseconds: imports are done once, each life is a fork.

    python -m sandbox.testing.forkserver MODULE:CLASS FOLDER LISTENER_FD

The module's class is made once, in this process (it imports and warms up); it never serves
here. A life is a fork of this process that serves on the inherited listening socket, so
that clients wait in its backlog from one life to the next and the port never changes.
`kill -9` ends a life: nothing of it can reach the next one. Commands come as JSON lines on
standard input, answers go to standard output; the end of the input ends everything.
"""

import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

Json = dict[str, Any]

STATE = "state"
"""Where every life keeps its state, below the server's folder; empty at its start."""
IDLE_S = 0.3
"""So long without a command before a warm-up is run: a test should not wait for one."""


class Server(Protocol):
    """What is served. Made once in the parent; everything else happens in each life."""

    warm_ups: Sequence[Callable[[], None]]
    """Run one by one in the parent while it is idle: what every later life then has."""

    def start(self, home: Path, listener: socket.socket, wish: Json) -> None:
        """Begin to serve in this life, with state in `home`; returns once it answers."""

    def call(self, name: str, arguments: Json) -> object:
        """Do what the test asks for beside HTTP, in this life."""

    def end_leftovers(self, home: Path) -> None:
        """End the processes that a killed life left; called in the parent."""


class _Life:
    """One fork that serves, and the socket by which it is spoken to."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control
        self._lines = control.makefile("rb")

    def ask(self, command: Json | None) -> Json:
        """Send a command (or none) and wait for the answer."""
        if command is not None:
            self._control.sendall(_line(command))
        line = self._lines.readline()
        if not line:
            _, status = os.waitpid(self.pid, 0)
            self.pid = 0
            return {"error": f"the server died: {_how(status)}"}
        answer: Json = json.loads(line)
        return answer

    def kill(self) -> None:
        """End it at once."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self._lines.close()
        self._control.close()


class ForkServer:
    """Holds the prepared server and its present life."""

    def __init__(self, server: Server, folder: Path, listener: socket.socket) -> None:
        self._server = server
        self._folder = folder
        self._home = folder / STATE
        self._listener = listener
        self._life: _Life | None = None
        self._lives = 0
        self._waiting = list(server.warm_ups)

    def run(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        """Serve commands until their end."""
        descriptor = commands.fileno()
        buffer = b""
        while True:
            timeout = IDLE_S if self._waiting and self._life else None
            if not select.select([descriptor], [], [], timeout)[0]:
                self._warm_up()
                continue
            chunk = os.read(descriptor, 65536)
            if not chunk:
                break
            buffer += chunk
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                answers.write(_line(self._answer(json.loads(line))))
                answers.flush()
                self._sweep()
        self.close()
        self._sweep()

    def close(self) -> None:
        """End the present life and all that it left."""
        if self._life is not None:
            self._life.kill()
            self._server.end_leftovers(self._home)
            self._life = None
            # Out of the way at once, deleted when nobody waits.
            self._home.rename(self._folder / f"ended-{self._lives}")

    def _sweep(self) -> None:
        for ended in self._folder.glob("ended-*"):
            shutil.rmtree(ended, ignore_errors=True)

    def _answer(self, command: Json) -> Json:
        if command["do"] == "reset":
            self.close()
            self._life = self._fork(command["wish"])
            return self._life.ask(None)
        if self._life is None:
            return {"error": "no life was begun"}
        return self._life.ask(command)

    def _fork(self, wish: Json) -> _Life:
        self._lives += 1
        self._home.mkdir(parents=True)
        ours, theirs = socket.socketpair()
        gc.freeze()  # the collector of a life must not touch, and so copy, what it inherits
        pid = os.fork()
        if pid == 0:
            ours.close()
            _live(self._server, self._home, self._listener, theirs, wish)
        theirs.close()
        return _Life(pid, ours)

    def _warm_up(self) -> None:
        step = self._waiting.pop(0)
        try:
            step()
        except Exception:  # noqa: BLE001  a warm-up only saves time
            traceback.print_exc()


def _live(
    server: Server, home: Path, listener: socket.socket, control: socket.socket, wish: Json
) -> None:
    """Serve in this fork until the parent is gone; never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)  # the commands are the parent's
        answer: Json = {"ok": None}
        try:
            server.start(home, listener, wish)
        except Exception:  # noqa: BLE001  the top of a process: the test shows it
            answer = {"error": traceback.format_exc()}
        control.sendall(_line(answer))
        for line in control.makefile("rb"):
            control.sendall(_line(_called(server, json.loads(line))))
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _called(server: Server, command: Json) -> Json:
    try:
        return {"ok": server.call(command["name"], command["arguments"])}
    except Exception as error:  # noqa: BLE001  the top of a process: the test shows it
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def _line(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, default=str).encode() + b"\n"


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"


def main() -> None:
    """Prepare the server that is named, then serve commands."""
    named, folder, descriptor = sys.argv[1:4]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints belongs into the log
    listener = socket.socket(fileno=int(descriptor))
    module, _, name = named.partition(":")
    server = getattr(importlib.import_module(module), name)(Path(folder), listener)
    ForkServer(server, Path(folder), listener).run(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
