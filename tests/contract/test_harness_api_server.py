"""The API as its own process under gunicorn: it serves, stays quiet, and stops."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from harness_api_server import ACCOUNT, KEY, TOKEN
from patience import PATIENCE_S, eventually

from fake_harness.delegate_token import mint

POLLS = 22


@pytest.fixture
def server(tmp_path: Path, unused_port: int) -> Iterator[tuple[str, int]]:
    environment = {
        **os.environ,
        "FAKE_HARNESS_STATE_DIR": str(tmp_path),
        "FAKE_HARNESS_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "FAKE_HARNESS_PORT": str(unused_port),
        "FAKE_HARNESS_API_KEY": KEY,
        "FAKE_HARNESS_DELEGATE_TOKEN": TOKEN,
        "FAKE_HARNESS_ACCOUNT_ID": ACCOUNT,
    }
    command = [sys.executable, "-W", "ignore", "-m", "fake_harness.server"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{unused_port}"

    def serves() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{url}/health", timeout=5).ok
        return False

    try:
        eventually(serves)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def cpu_s(parent: int) -> float:
    """CPU time so far of a process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ticks = 0
    for pid in (str(parent), *children):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cost_s(pid: int, deed: Callable[[], None]) -> float:
    before = cpu_s(pid)
    deed()
    return cpu_s(pid) - before


def ask_often(url: str) -> None:
    """Ask what costs little, a hundred times: the measure of little on this machine."""
    for _ in range(100):
        requests.get(f"{url}/health", timeout=30)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads CPU time from /proc")
def test_many_waiting_delegates_cost_next_to_nothing(server: tuple[str, int]) -> None:
    url, pid = server
    headers = {"Authorization": mint(TOKEN, account_id=ACCOUNT, host="h", audience=url)}

    registered: list[str] = []

    def poll(number: int) -> None:
        body = {"delegateName": f"d{number}"}
        made = requests.post(
            f"{url}/api/agent/delegates/register", json=body, headers=headers, timeout=30
        )
        delegate = made.json()["resource"]["delegateId"]
        registered.append(delegate)
        path = f"{url}/api/agent/delegates/{delegate}/task-events"
        with suppress(requests.RequestException):
            requests.get(path, params={"waitSeconds": 300}, headers=headers, timeout=600)

    waiting = [threading.Thread(target=poll, args=(n,), daemon=True) for n in range(POLLS)]
    for thread in waiting:
        thread.start()
    eventually(lambda: len(registered) == POLLS, "all delegates poll")
    little = cost_s(pid, lambda: ask_often(url))
    eventually(lambda: cost_s(pid, lambda: time.sleep(4)) < little, "quiet while all wait")
    assert all(thread.is_alive() for thread in waiting)
    assert requests.get(f"{url}/console", timeout=30).ok
