"""A server that is born anew in milliseconds: imports are done once, each life is a fork.

    python -m sandbox.testing.forkserver MODULE:CLASS FOLDER LISTENER_FD

The module's class is made once, in this process (it imports and warms up); it never serves
here. A life is a fork of this process that serves on the inherited listening socket, so
that clients wait in its backlog from one life to the next and the port never changes.
`kill -9` ends a life: nothing of it can reach the next one, which stands ready meanwhile.
Commands come as JSON lines on standard input, answers go to standard output; the end of the
input ends everything.
"""

import contextlib
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
"""A link to the state of the present life, below the server's folder."""
SPARE_S = 0.01
"""So long without a command before the next life is made ready."""
IDLE_S = 0.05
"""So long without a command before anything else is done ahead of time."""
_UNUSED = ("rich",)
"""Left out: structlog would import it to colour tracebacks, and these go to a log file."""


class Server(Protocol):
    """What is served. Made once in the parent; everything else happens in each life."""

    warm_ups: Sequence[Callable[[], object]]
    """Run one by one in the parent while it is idle: what every later life then has."""

    def prepare(self, home: Path, wish: Json) -> None:
        """Do in a new life what needs no listener; it stands ready then, maybe for long."""

    def start(self, listener: socket.socket) -> None:
        """Begin to serve in this life; returns once it answers."""

    def call(self, name: str, arguments: Json) -> object:
        """Do what the test asks for beside HTTP, in this life."""

    def end_leftovers(self, home: Path) -> None:
        """End the processes that a killed life left; called in the parent."""


class _Life:
    """One fork, and the socket by which it is spoken to."""

    def __init__(
        self, pid: int, control: socket.socket, home: Path, *, wish: Json, warmth: int
    ) -> None:
        self.pid = pid
        self.home = home
        self.wish = wish
        self.warmth = warmth
        self._control = control
        self._lines = control.makefile("rb")

    def ask(self, command: Json) -> Json:
        """Send a command and wait for the answer."""
        with contextlib.suppress(BrokenPipeError):  # its end is told below
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
    """Holds the prepared server, its present life and the one that stands ready."""

    def __init__(self, server: Server, folder: Path, listener: socket.socket) -> None:
        self._server = server
        self._folder = folder
        self._listener = listener
        self._present: _Life | None = None
        self._spare: _Life | None = None
        self._ended: list[Path] = []
        self._lives = 0
        self._warm_ups = list(server.warm_ups)
        self._warmth = 0

    def run(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        """Serve commands until their end."""
        descriptor = commands.fileno()
        buffer = b""
        while True:
            if not select.select([descriptor], [], [], self._patience_s())[0]:
                self._work_ahead()
                continue
            chunk = os.read(descriptor, 65536)
            if not chunk:
                break
            buffer += chunk
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                answers.write(_line(self._answer(json.loads(line))))
                answers.flush()
        self.close()

    def close(self) -> None:
        """End every life and all that it left."""
        for life in (self._spare, self._present):
            if life is not None:
                self._end(life)
        # Its owner does the same, unless it was killed.
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answer(self, command: Json) -> Json:
        if command["do"] == "end":
            self._end_present()
            return {"ok": None}
        if command["do"] == "begin":
            return self._begin(command["wish"])
        if self._present is None:
            return {"error": "no life was begun"}
        return self._present.ask(command)

    def _end_present(self) -> None:
        if self._present is not None:
            self._end(self._present)
            self._present = None

    def _begin(self, wish: Json) -> Json:
        self._end_present()
        following, self._spare = self._spare, None
        if following is not None and following.wish != wish:
            self._end(following)
            following = None
        self._present = following or self._fork(wish)
        link = self._folder / f"{STATE}.new"
        link.symlink_to(self._present.home.name)
        link.replace(self._folder / STATE)
        return self._present.ask({"do": "start"})

    def _end(self, life: _Life) -> None:
        life.kill()
        self._server.end_leftovers(life.home)
        self._ended.append(life.home)

    def _fork(self, wish: Json) -> _Life:
        self._lives += 1
        home = self._folder / f"life-{self._lives}"
        home.mkdir(parents=True)
        ours, theirs = socket.socketpair()
        gc.freeze()  # the collector of a life must not touch, and so copy, what it inherits
        pid = os.fork()
        if pid == 0:
            gc.enable()
            ours.close()
            _live(self._server, home, self._listener, theirs, wish)
        theirs.close()
        return _Life(pid, ours, home, wish=wish, warmth=self._warmth)

    def _patience_s(self) -> float | None:
        """Return how long to wait for a command before work is done ahead; None: for ever."""
        if self._present is None:
            return None
        if self._spare is None:
            return SPARE_S
        return IDLE_S if self._ended or self._warm_ups or self._is_spare_cold() else None

    def _work_ahead(self) -> None:
        """Do one thing that the next reset then need not do."""
        if self._present is None:
            return
        if self._spare is None:
            self._spare = self._fork(self._present.wish)
        elif self._warm_ups:
            step = self._warm_ups.pop(0)
            self._warmth += 1
            try:
                step()
            except Exception:  # noqa: BLE001  a warm-up only saves time
                traceback.print_exc()
        elif self._is_spare_cold():
            self._end(self._spare)
            self._spare = self._fork(self._present.wish)
        else:
            self._sweep()

    def _is_spare_cold(self) -> bool:
        return self._spare is not None and self._spare.warmth < self._warmth

    def _sweep(self) -> None:
        while self._ended:
            shutil.rmtree(self._ended.pop(), ignore_errors=True)


def _live(
    server: Server, home: Path, listener: socket.socket, control: socket.socket, wish: Json
) -> None:
    """Serve in this fork until the parent is gone; never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)  # the commands are the parent's
        failure = _failure(lambda: server.prepare(home, wish))
        for line in control.makefile("rb"):
            command = json.loads(line)
            if command["do"] == "start":
                failure = failure or _failure(lambda: server.start(listener))
                answer: Json = {"error": failure} if failure else {"ok": None}
            else:
                answer = _called(server, command)
            control.sendall(_line(answer))
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _failure(step: Callable[[], None]) -> str:
    try:
        step()
    except Exception:  # noqa: BLE001  the top of a process: the test shows it
        return traceback.format_exc()
    return ""


def _called(server: Server, command: Json) -> Json:
    name = command["name"]
    try:
        return {"ok": server.call(name, command["arguments"])}
    except KeyError as error:
        return {"mistake": f"{name}: nothing here is named {error}"}
    except ValueError as error:
        return {"mistake": str(error)}
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
    gc.disable()  # nearly all that is made here stays; to look through it takes 150 ms
    sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type]  # not to be imported
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints belongs into the log
    listener = socket.socket(fileno=int(descriptor))
    module, _, name = named.partition(":")
    server = getattr(importlib.import_module(module), name)(Path(folder), listener)
    ForkServer(server, Path(folder), listener).run(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
