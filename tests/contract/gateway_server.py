"""A local AWS in a process of its own, for contract tests: start, kill -9, start again."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from patience import until_it_serves

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


class GatewayServer:
    """One server on a free loopback port, with its state under `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs, and nothing else of AWS."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return kept | CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

    def start(self) -> None:
        environment = dict(os.environ) | {
            "SANDBOX_HOME": str(self.home),
            "SANDBOX_ENGINE": "process",
            "SANDBOX_AWS_PORT": str(self.port),
        }
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.aws.server"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        until_it_serves(self.process, self.is_ready, self.log)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_sandbox/health", timeout=20) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def workers(self) -> list[int]:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill(self) -> None:
        """kill -9 of master and worker at once: nothing gets to say goodbye."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)  # it must not replace the worker
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

    def log(self) -> str:
        return (self.home / "server.log").read_text()

    def client(self, service: str, **config: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, **config),
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
