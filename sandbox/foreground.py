"""Runs one program until it ends or is asked to; what comes after that is the caller's affair."""

import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What runs in the foreground."""

    command: list[str]
    folder: Path
    environment: Mapping[str, str]


def run_until_stopped(program: Program) -> tuple[int, bool]:
    """Run the program, handing SIGTERM and SIGINT on; return its exit code, and whether one came.

    A program that died by itself leaves its containers for its next life, which finds them.
    """
    stopped: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        for process in running:
            process.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    process = subprocess.Popen(
        program.command, cwd=program.folder, env=dict(program.environment), start_new_session=True
    )
    running.append(process)
    if stopped:  # between the two
        process.send_signal(signal.SIGTERM)
    ended = threading.Event()

    def await_end() -> None:
        process.wait()
        ended.set()

    threading.Thread(target=await_end, daemon=True, name="foreground").start()
    # Python acts on a signal that comes just before it waits only once that is over.
    while not ended.wait(_LOOK_S):
        pass
    return process.returncode, bool(stopped)
