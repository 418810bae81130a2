"""A sandbox of its own for each engine: own ports, own addresses, own state.

The tests of one engine run in order and share its sandbox; with `-n 2 --dist loadgroup` the
two engines run beside each other.
"""

import shutil
from collections.abc import Iterator

import pytest
from container_engine import need_engine, need_image
from sandbox_command import PROJECT, Command, own_environment

from sandbox.images.references import base_images, find_dockerfiles

ENGINES = [
    pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("process", "docker")
]


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """What runs the tasks and builds the images."""
    name = str(request.param)
    if name == "docker":
        for image in base_images(find_dockerfiles(PROJECT / "apps"), ()):
            need_image(image)
    return name


@pytest.fixture(scope="session")
def sandbox(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A sandbox that the tests of an engine share; taken down, state and all, at the end."""
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
