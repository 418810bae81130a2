"""A sandbox of its own for the end-to-end tests: own ports, own addresses, own state."""

import shutil
from collections.abc import Iterator

import pytest
from sandbox_command import Command, own_environment


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A sandbox that the session's tests share; taken down, state and all, at the end."""
    if shutil.which("terraform") is None and shutil.which("tofu") is None:
        pytest.skip("neither terraform nor tofu is on PATH")
    home = tmp_path_factory.mktemp("e2e") / "state"
    command = Command(env=own_environment(home, time_scale="10"), home=home)
    try:
        yield command
    finally:
        command("down", "--purge", check=False, timeout=120)
        assert not home.exists(), "down --purge leaves nothing behind"
