"""On a terminal, a person is asked before a real account is changed, and the answer counts."""

import contextlib
import os
import pty
from pathlib import Path

import pytest
from sandbox_command import PROGRAM, own_environment

ACCOUNT = "a1B2c3D4e5F6g7H8i9J0kL"
QUESTION = b"Type the account id to go on"
REFUSED, NOT_READY = 1, 4


def answered(home: Path, answer: str) -> tuple[int, str]:
    """Start a pipeline of a Harness that does not exist, on a terminal; return code and text."""
    env = {
        **own_environment(home),
        "HARNESS_ENDPOINT": "https://harness.invalid/gateway",
        "HARNESS_ACCOUNT_ID": ACCOUNT,
        "HARNESS_PLATFORM_API_KEY": "pat.x",
    }
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(PROGRAM, ["sandbox", "pipeline", "run", "p"], env)
    said, asked = b"", False
    with contextlib.suppress(OSError):  # Linux ends a terminal's output with EIO
        while chunk := os.read(terminal, 4096):
            said += chunk
            if QUESTION in said and not asked:
                asked = True
                os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    assert asked, said.decode()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


@pytest.mark.parametrize("answer", ["", "y", "yes", "another"])
def test_anything_but_the_account_stops_it(tmp_path: Path, answer: str) -> None:
    code, said = answered(tmp_path / "state", answer)
    assert code == REFUSED
    assert f"Harness account {ACCOUNT} (https://harness.invalid/gateway)" in said
    assert "Nothing was done" in said


def test_the_account_lets_it_go_on(tmp_path: Path) -> None:
    code, said = answered(tmp_path / "state", ACCOUNT)
    assert code == NOT_READY
    assert "Nothing answers at https://harness.invalid/gateway" in said
