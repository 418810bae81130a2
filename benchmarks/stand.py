"""The stand: a fresh sandbox with ports and addresses of its own, and clients of it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

PROJECT = Path(__file__).resolve().parents[1]
PARTS = ("AWS", "HARNESS", "GIT", "PROXY")


def until(is_done: Callable[[], bool], *, within_s: float, what: str, look_s: float = 0.01) -> None:
    """Wait until a condition holds.

    Raises:
        RuntimeError: it does not within `within_s`; says `what` was waited for.
    """
    deadline = time.monotonic() + within_s
    while not is_done():
        if time.monotonic() >= deadline:
            raise RuntimeError(f"not within {within_s:.0f} s: {what}")
        time.sleep(look_s)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stand:
    """Starts the sandbox on entry and removes it on exit."""

    def __init__(self, home: Path, *, engine: str = "process") -> None:
        self.state = home / "state"
        self.ports = {part: free_port() for part in PARTS}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SANDBOX_", "AWS_"))}
        self.env = {
            **kept,
            **{f"SANDBOX_{part}_PORT": str(port) for part, port in self.ports.items()},
            "SANDBOX_HOME": str(self.state),
            "SANDBOX_ENGINE": engine,
            "SANDBOX_ALB_NETWORK": "127.63.0.0/16" if engine == "process" else "127.65.0.0/16",
            "SANDBOX_TASK_NETWORK": "127.64.0.0/16",
            # Wait steps of the engine's benchmark take a millisecond.
            "SANDBOX_TIME_SCALE": "1000",
        }
        self.up_seconds: list[float] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except RuntimeError:
            self.command("down", "--purge")
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.command("down", "--purge")

    def start(self) -> None:
        """Run `sandbox up` and keep how long it took to be ready."""
        begun = time.monotonic()
        self.command("up", "--json")
        self.up_seconds.append(time.monotonic() - begun)

    def command(self, *arguments: str) -> str:
        """Run the sandbox's command and return what it printed."""
        program = str(Path(sys.executable).parent / "sandbox")
        done = subprocess.run(
            [program, *arguments], env=self.env, capture_output=True, text=True, cwd=PROJECT,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"sandbox {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        """Return `sandbox status --json`."""
        return json.loads(self.command("status", "--json"))

    @property
    def aws_url(self) -> str:
        """The AWS endpoint."""
        return f"http://127.0.0.1:{self.ports['AWS']}"

    def client(self, service: str, *, url: str = "") -> Any:
        """Return a boto3 client of the sandbox, or of `url`."""
        return boto3.client(
            service,
            endpoint_url=url or self.aws_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
