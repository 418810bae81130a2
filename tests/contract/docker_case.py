"""`DockerRuntime` on a fresh state directory, and the image that its tests run.

The image is made from this machine's own Python: no registry is asked. It stays with the
engine between test runs, under `sandbox-test/`.
"""

import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from own_images import ACCOUNT, HOST, make_plane
from process_case import PROGRAM, facts
from runtime_cases import Behaviour

from sandbox.aws.ports import ImageResolver
from sandbox.aws.runtime.docker import DockerRuntime
from sandbox.aws.runtime.docker.cleanup import remove_everything
from sandbox.aws.runtime.docker.images import RegistryAccess
from sandbox.aws.runtime.docker.labels import open_owner
from sandbox.aws.runtime.port import ContainerRuntime, ContainerSpec
from sandbox.container_engine import connect
from sandbox.errors import DependencyError

PYTHON = "/usr/local/bin/python3"
_LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "__pycache__"}


def require_engine() -> Any:
    """Return a client of the engine; skip the test where none answers."""
    try:
        return connect(dict(os.environ)).api
    except DependencyError as error:
        pytest.skip(f"{error.message} (tests on Docker need an engine)")


@cache
def python_image() -> str:
    """Return an image with this machine's Python and nothing else."""
    client = require_engine()
    version = sysconfig.get_python_version()
    name = f"sandbox-test/python:{version}-1"
    try:
        if not client.images(name=name):
            repository, _, tag = name.partition(":")
            client.import_image_from_data(
                _python_archive(version), repository=repository, tag=tag, changes=["WORKDIR /"]
            )
    finally:
        client.close()
    return name


def _python_archive(version: str) -> bytes:
    """Return a tar of the interpreter, its libraries and its standard library."""
    interpreter = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        tar.add(interpreter, PYTHON.lstrip("/"))
        tar.add(library, f"usr/local/lib/python{version}", filter=_filtered)
        for path in _libraries([interpreter, *library.glob("lib-dynload/*.so")]):
            tar.add(path, path.lstrip("/"))
        # Some libraries are loaded by name only.
        for folder in ("etc", "tmp"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(member)
    return archive.getvalue()


def _filtered(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = set(Path(member.name).parts)
    return None if parts & _LEFT_OUT or any(p.startswith("config-") for p in parts) else member


def _libraries(programs: list[Path]) -> set[str]:
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    words = (word for line in done.stdout.splitlines() for word in line.split())
    return {word for word in words if word.startswith("/") and not word.endswith(":")}


class DockerCase:
    really_listens = True

    def __init__(self, state: Path, *, reaches_containers: bool | None = None) -> None:
        self._image = python_image()
        self._reaches_containers = reaches_containers
        self.root = state / "docker"
        self.plane = make_plane(state / "ecr")
        self.runtime: ContainerRuntime = self.reopen()

    def container(self, name: str, behaviour: Behaviour) -> ContainerSpec:
        program = PYTHON if behaviour.startable else "/no/such/program"
        return ContainerSpec(
            name=name,
            image=self._image,
            command=(program, "-c", PROGRAM),
            environment={"BEHAVIOUR": facts(behaviour), "PYTHONUTF8": "1"},
            container_ports=(behaviour.port,) if behaviour.port else (),
            # A first process ignores the signals that it does not handle; below init it ends.
            init_process=behaviour.startable,
        )

    def missing_image(self) -> str:
        return f"{HOST}/app:missing"

    def reopen(self) -> ContainerRuntime:
        self.runtime = make_runtime(
            self.root, self.plane.images, reaches_containers=self._reaches_containers
        )
        return self.runtime

    def close(self) -> None:
        self.runtime.close()
        remove_everything(self.root, dict(os.environ))


def make_runtime(
    root: Path,
    images: ImageResolver,
    *,
    registry: RegistryAccess | None = None,
    reaches_containers: bool | None = None,
) -> DockerRuntime:
    """Open the runtime as the gateway does."""
    nobody = RegistryAccess(host="127.0.0.1:9", account_id=ACCOUNT, password=str)
    return DockerRuntime(
        client=require_engine(),
        owner=open_owner(root, root),
        root=root,
        images=images,
        registry=registry or nobody,
        reaches_containers=reaches_containers,
    )
