"""`down --purge` can never touch a real account: it speaks to nobody beyond this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox_command import Command, own_environment

WATCHED = """
import json, socket, sys
seen = []
def watch(event, arguments):
    if event == "socket.getaddrinfo":
        seen.append(["lookup", str(arguments[0])])
    elif event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
        seen.append(["connect", str(arguments[1])])
    elif event == "subprocess.Popen":
        seen.append(["process", str(arguments[0])])
sys.addaudithook(watch)
from sandbox.cli import main
sys.argv = ["sandbox", *sys.argv[1:]]
try:
    main()
finally:
    print("SEEN " + json.dumps(seen), file=sys.stderr)
"""
REAL = {
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_REGION": "eu-west-1",
    "HARNESS_ACCOUNT_ID": "real_account_0000000001",
    "HARNESS_PLATFORM_API_KEY": "pat.real.key.value",
}


def watched(command: Command, *arguments: str) -> list[list[str]]:
    """Run a command of ours; return every look-up, connection and process that it made."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCHED, *arguments],
        cwd=command.cwd,
        env={**command.env, **REAL},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in {0, 1, 4}, done.stderr
    row = next(row for row in done.stderr.splitlines() if row.startswith("SEEN "))
    seen: list[list[str]] = json.loads(row.removeprefix("SEEN "))
    return seen


@pytest.fixture
def command(tmp_path: Path) -> Command:
    home = tmp_path / "state"
    made = Command(env=own_environment(home), home=home)
    made("use", "aws")
    return made


def test_purge_speaks_to_nobody_while_real_accounts_are_chosen(command: Command) -> None:
    assert watched(command, "down", "--purge") == []
    assert not command.home.exists()


def test_the_watch_sees_what_would_leave(command: Command) -> None:
    """The test above can fail: the same watch sees a command that does reach for AWS."""
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9"}
    reaching = Command(env={**command.env, **proxy}, home=command.home)
    assert ["connect", "('127.0.0.1', 9)"] in watched(reaching, "exec", "--", "terraform", "apply")
