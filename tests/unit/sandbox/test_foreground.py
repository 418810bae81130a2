"""A program in the foreground: its end, and who wanted it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.foreground import Program, run_until_stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_the_program_and_is_told_from_a_death(
    number: signal.Signals, tmp_path: Path
) -> None:
    serve = (
        "import sys; from pathlib import Path; from sandbox.foreground import Program, run_until_stopped;"
        "program = Program(command=sys.argv[1:], folder=Path('.'), environment={});"
        "print(run_until_stopped(program))"
    )
    script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    with subprocess.Popen(
        [sys.executable, "-c", serve, "/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "(7, True)\n"


def test_a_program_that_ends_by_itself_was_not_stopped() -> None:
    program = Program(command=["/bin/sh", "-c", "exit 3"], folder=Path("/"), environment={})
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert run_until_stopped(program) == (3, False)
    finally:
        signal.signal(signal.SIGTERM, handlers[0])
        signal.signal(signal.SIGINT, handlers[1])
