"""A fork server as the test's process holds it: begin, reset, ask, end; it knows no meaning."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.errors import EnvironmentNotReadyError, UsageError
from sandbox.testing.settings import Wish

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0
_BACKLOG = 128
_LOG_TAIL = 3000


class ServerProcess:
    """One server behind one port that stays the same from life to life. Not thread-safe.

    Args:
        name: for messages, and its log file.
        target: `module:Class` for `sandbox.testing.forkserver`.
        folder: its own folder, which must not exist yet.

    """

    def __init__(self, name: str, target: str, folder: Path) -> None:
        self._name = name
        self._target = target
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._is_pending = False
        self._buffer = b""
        # Bound here, so that the address is known long before anybody serves it.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(_BACKLOG)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def is_started(self) -> bool:
        """Tell whether `start` was called."""
        return self._process is not None

    def start(self, environment: Mapping[str, str], wish: Wish) -> None:
        """Start the process; returns at once, `settle` waits."""
        self._folder.mkdir(parents=True)
        command = [sys.executable, "-W", "ignore", "-m", "sandbox.testing.forkserver"]
        arguments = [self._target, str(self._folder), str(self._listener.fileno())]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *arguments],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[self._listener.fileno()],
                start_new_session=True,  # Ctrl-C is pytest's to handle
            )
        self._listener.close()  # so that nobody waits at the port of a dead server
        self.begin(wish)

    def end(self) -> None:
        """End the present life and all that it started; returns at once, `settle` waits."""
        self._ask({"do": "end"})

    def begin(self, wish: Wish) -> None:
        """Begin a new life with an empty state; returns at once, `settle` waits."""
        self._ask({"do": "begin", "wish": wish.wire()})

    def settle(self) -> None:
        """Wait until what was asked is done: the life that was begun serves.

        Raises:
            EnvironmentNotReadyError: it does not; carries the end of its log.
        """
        if self._is_pending:
            self._is_pending = False
            self._receive()

    def call(self, name: str, **arguments: object) -> Any:
        """Have the present life do something beside HTTP; return its answer.

        Raises:
            UsageError: it cannot do that; says why.
            EnvironmentNotReadyError: it is dead.
        """
        self.settle()
        self._send({"do": "call", "name": name, "arguments": arguments})
        return self._receive()

    def close(self) -> None:
        """End the process, its present life and all that it started. Safe to repeat."""
        self._listener.close()
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101  PIPE was asked for
        assert process.stdout is not None  # noqa: S101
        process.stdin.close()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _ask(self, command: Mapping[str, object]) -> None:
        self.settle()
        self._send(command)
        self._is_pending = True

    def _send(self, command: Mapping[str, object]) -> None:
        assert self._process is not None  # noqa: S101  started by its owner
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._not_ready("its process has ended") from error

    def _receive(self) -> Any:
        answer = json.loads(self._line())
        if "mistake" in answer:
            raise UsageError(str(answer["mistake"]))
        if "error" in answer:
            raise self._not_ready(str(answer["error"]).strip())
        return answer["ok"]

    def _line(self) -> bytes:
        assert self._process is not None  # noqa: S101  asked right before
        assert self._process.stdout is not None  # noqa: S101
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + START_TIMEOUT_S
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise self._not_ready(f"no answer within {START_TIMEOUT_S:.0f} s")
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                raise self._not_ready("its process has ended")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _not_ready(self, why: str) -> EnvironmentNotReadyError:
        log = self._log.read_text(errors="replace")[-_LOG_TAIL:].strip()
        end = f"\nThe end of its log:\n{log}" if log else ""
        return EnvironmentNotReadyError(f"The test's {self._name} does not serve: {why}{end}")
