"""An open LocalStack on a free port, from the environment in `tools/localstack`."""

import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from patience import until_it_serves
from sandbox_command import PROJECT, free_port

from sandbox.aws.localstack.health import UnreachableError, read_health

TOOLS = PROJECT / "tools" / "localstack"
PYTHON = TOOLS / ".venv" / "bin" / "python"
MISSING = "no LocalStack is installed: run `make tools/localstack/.venv/.ready`"
READY_S = 300


class LocalStackServer:
    """One LocalStack with everything that it writes under `home`; it needs no network."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "FILESYSTEM_ROOT": str(self.home / "root"),
            "OVERRIDE_IN_DOCKER": "0",
            "GATEWAY_LISTEN": self.url.removeprefix("http://"),
            "GATEWAY_SERVER": "hypercorn",
            "ACTIVATE_PRO": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "SQS_ENDPOINT_STRATEGY": "dynamic",
        }
        with (self.home / "localstack.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(PYTHON), "-m", "localstack.runtime.main"],
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=log,
            )
        until_it_serves(self.process, self.is_ready, self.log, within_s=READY_S)

    def is_ready(self) -> bool:
        try:
            return bool(read_health(self.url).services)
        except UnreachableError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.home / "localstack.log").read_text()[-4000:]

    def client(self, service: str) -> Any:
        """Return a client of LocalStack itself, past the gateway."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )
