"""`docker compose` with the project's compose.yaml, as one isolated project for a test."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from sandbox_command import PROJECT, Command, own_environment

BASE_IMAGE = "python:3.11-slim"


@cache
def reason_to_skip() -> str:
    """Return why Compose cannot run here; empty when it can."""
    if shutil.which("docker") is None:
        return "no docker command on PATH"
    for command, lacking in (
        (("docker", "info"), "no Docker engine answers"),
        (("docker", "compose", "version"), "docker has no Compose v2 plugin"),
        (
            ("docker", "image", "inspect", BASE_IMAGE),
            f"no image {BASE_IMAGE}; run: sandbox images prepare",
        ),
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return lacking
    return ""


@dataclass(frozen=True, eq=False)
class Compose:
    """One project of Compose; `sandbox` is the command on this machine, pointed at it."""

    project: str
    sandbox: Command
    options: tuple[str, ...] = ()
    """Of `docker compose` itself: further files, profiles."""

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 1500) -> str:
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, *self.options, *arguments],
            cwd=PROJECT,
            env=dict(self.sandbox.env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            logs = self("logs", "--tail", "30", check=False)
            pytest.fail(
                f"docker compose {' '.join(arguments)} exited {done.returncode}\n"
                f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{logs[-8000:]}"
            )
        return done.stdout

    def states(self) -> dict[str, tuple[str, str]]:
        """Return (state, health) of each container by its name."""
        rows = [json.loads(line) for line in self("ps", "--format", "json").splitlines()]
        return {row["Name"]: (row["State"], row["Health"]) for row in rows}


@contextmanager
def running_compose(
    home: Path,
    *options: str,
    variables: Mapping[str, str] | None = None,
    **settings: str,
) -> Iterator[Compose]:
    """The whole sandbox as containers, with what tools on this machine need of it.

    Args:
        home: a folder for those tools.
        options: of `docker compose` itself.
        variables: that compose.yaml reads besides the settings.
        settings: of the sandbox.
    """
    if reason := reason_to_skip():
        pytest.skip(reason)
    env = {**own_environment(home, **settings), **(variables or {})}
    sandbox = Command(env=env, home=home)
    project = f"sandbox-test-{os.getpid()}-{home.parent.name}"
    compose = Compose(project=project, sandbox=sandbox, options=options)
    try:
        compose("build")
        compose("up", "--wait", "--wait-timeout", "180")
        home.mkdir(exist_ok=True)
        compose("cp", "aws:/state/ca", str(home / "ca"))
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "5", check=False)
        label = f"label=com.docker.compose.project={compose.project}"
        for kind in ("container", "volume", "network"):
            left = subprocess.run(
                ["docker", kind, "ls", "--quiet", "--filter", label],
                capture_output=True,
                text=True,
                check=True,
            )
            assert not left.stdout, f"down --volumes leaves a {kind} behind"
