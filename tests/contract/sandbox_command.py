"""Runs the sandbox's command as a person would, in an environment of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).parent / "sandbox"


@dataclass(frozen=True, eq=False)
class Command:
    """Runs `sandbox` as a person would."""

    env: Mapping[str, str]
    home: Path
    cwd: Path = PROJECT

    def __call__(
        self,
        *arguments: str,
        check: bool = True,
        timeout: float = 1500,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            cwd=self.cwd,
            env={**self.env, **(env or {})},
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

    def json(self, *arguments: str) -> Any:
        """Run with `--json` and parse the answer."""
        first, *others = arguments
        return json.loads(self(first, *others, "--json").stdout)

    def pids(self) -> dict[str, int]:
        """Return the processes by name."""
        return {row["name"]: row["pid"] for row in self.json("status")["processes"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_environment(home: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a sandbox with ports, addresses and a state of its own.

    Only what names another sandbox, account or provider mirror is taken away.
    """
    foreign = ("SANDBOX_", "AWS_", "HARNESS_", "TF_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ports = {
        f"SANDBOX_{name}_PORT": str(free_port()) for name in ("AWS", "HARNESS", "GIT", "PROXY")
    }
    # Docker has tests of its own; all others are to run on every machine.
    settings = {"engine": "process", **settings}
    block = 64 + 2 * (int(ports["SANDBOX_AWS_PORT"]) % 90)
    return {
        **kept,
        **ports,
        "SANDBOX_HOME": str(home),
        "SANDBOX_ALB_NETWORK": f"127.{block}.0.0/16",
        "SANDBOX_TASK_NETWORK": f"127.{block + 1}.0.0/16",
        **{f"SANDBOX_{name.upper()}": value for name, value in settings.items()},
    }


@contextmanager
def running_sandbox(home: Path, **settings: str) -> Iterator[Command]:
    """A started sandbox; taken down, state and all, at the end."""
    command = Command(env=own_environment(home, **settings), home=home)
    try:
        command("up", "--timeout", "300")
        yield command
    finally:
        command("down", "--purge", check=False, timeout=120)
        assert not home.exists(), "down --purge leaves nothing behind"
