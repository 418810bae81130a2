"""A sandbox of its own for each module: own ports, own addresses, own state, its engine.

With `-n 2 --dist loadfile` the engines run beside each other.
"""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from container_engine import need_engine, need_image
from sandbox_command import PROJECT, Command, own_environment

from sandbox.images.references import base_images, find_dockerfiles


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """What runs the tasks and builds the images: the module's `ENGINE`."""
    name = str(request.module.ENGINE)
    if name == "docker":
        for image in base_images(find_dockerfiles(PROJECT / "apps"), ()):
            need_image(image)
    return name


@pytest.fixture(scope="module")
def sandbox(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A sandbox that the tests of a module share; taken down, state and all, at the end."""
    if shutil.which("terraform") is None and shutil.which("tofu") is None:
        pytest.skip("neither terraform nor tofu is on PATH")
    home = tmp_path_factory.mktemp("e2e") / "state"
    command = Command(env=own_environment(home, time_scale="10", engine=engine), home=home)
    try:
        yield command
    finally:
        command("down", "--purge", check=False, timeout=120)
        assert not home.exists(), "down --purge leaves nothing behind"
        if engine == "docker":
            label = {"label": f"sandbox.home={home}"}
            assert need_engine().containers.list(all=True, filters=label) == []


@pytest.fixture(scope="module")
def demo(sandbox: Command) -> dict[str, Any]:
    """Run the demo; return its summary."""
    sandbox("demo")
    summary: dict[str, Any] = json.loads((sandbox.home / "demo.json").read_text())
    return summary


@pytest.fixture(scope="module")
def rollback(sandbox: Command, demo: dict[str, Any]) -> dict[str, Any]:
    """Run the rollback after the demo; return its summary."""
    assert demo["failures"] == 0
    sandbox("demo", "--rollback")
    summary: dict[str, Any] = json.loads((sandbox.home / "demo.json").read_text())
    return summary
