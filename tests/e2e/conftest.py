"""A sandbox of its own for the end-to-end tests: own ports, own addresses, own state."""

import os
import shutil
from collections.abc import Iterator

import pytest
from command import Command, free_port


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A sandbox that the session's tests share; taken down, state and all, at the end."""
    if shutil.which("terraform") is None and shutil.which("tofu") is None:
        pytest.skip("neither terraform nor tofu is on PATH")
    home = tmp_path_factory.mktemp("e2e") / "state"
    ports = {
        f"SANDBOX_{name}_PORT": str(free_port()) for name in ("AWS", "HARNESS", "GIT", "PROXY")
    }
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SANDBOX_", "AWS_", "HARNESS_"))
    }
    env = {
        **kept,
        **ports,
        "SANDBOX_HOME": str(home),
        "SANDBOX_ALB_NETWORK": "127.61.0.0/16",
        "SANDBOX_TASK_NETWORK": "127.62.0.0/16",
        "SANDBOX_TIME_SCALE": "10",
    }
    command = Command(env=env, home=home)
    try:
        yield command
    finally:
        command("down", "--purge", check=False, timeout=120)
        assert not home.exists(), "down --purge leaves nothing behind"
