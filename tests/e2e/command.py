"""Runs the sandbox's command as a person would, in an environment of its own."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Command:
    """Runs `sandbox` as a person would."""

    env: Mapping[str, str]
    home: Path

    def __call__(
        self, *arguments: str, check: bool = True, timeout: float = 1500
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "sandbox"), *arguments],
            cwd=PROJECT,
            env=dict(self.env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            logs = "\n".join(
                f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
                for path in sorted((self.home / "log").glob("*.log"))
            )
            pytest.fail(
                f"sandbox {' '.join(arguments)} exited {done.returncode}\n"
                f"{done.stdout[-4000:]}\n{done.stderr[-6000:]}\n{logs}"
            )
        return done

    def json(self, *arguments: str) -> dict[str, object]:
        """Run with `--json` and parse the answer."""
        return json.loads(self(*arguments, "--json").stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
