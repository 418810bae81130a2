"""A server for `sandbox.testing.forkserver` that is small enough to break in every way."""

import gc
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Target:
    warm_ups: Sequence[Any] = ()

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        if (folder.parent / "broken").exists():
            raise RuntimeError("cannot be imported")
        self.seen: list[str] = []
        self.home = Path()
        self.runtime = ""

    def prepare(self, home: Path, wish: dict[str, Any]) -> None:
        self.home, self.runtime = home, wish["runtime"]

    def start(self, listener: socket.socket) -> None:
        if self.runtime == "process":
            raise RuntimeError("cannot be started")

    def call(self, name: str, arguments: dict[str, Any]) -> object:
        match name:
            case "see":
                self.seen.append(arguments["what"])
                (self.home / arguments["what"]).touch()
                return [self.seen, sorted(path.name for path in self.home.iterdir())]
            case "collects":
                return gc.isenabled()
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                left = subprocess.Popen(["sleep", "617"], start_new_session=True)
                (self.home / "left").write_text(str(left.pid))
                return left.pid
        raise ValueError(f"no {name}")

    def end_leftovers(self, home: Path) -> None:
        if (home / "left").exists():
            os.kill(int((home / "left").read_text()), signal.SIGKILL)
