"""Tests that need a container engine: skipped with the reason where none answers."""

import os
from functools import cache
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from sandbox.container_engine import connect
from sandbox.errors import DependencyError

FILE = {"Dockerfile": "FROM scratch\nARG WORD=none\nLABEL word=${WORD}\nCOPY file /file\n"}


@cache
def _answer() -> docker.DockerClient | str:
    try:
        return connect(dict(os.environ), timeout_s=120)
    except DependencyError as error:
        return error.message


def need_engine() -> docker.DockerClient:
    answer = _answer()
    if isinstance(answer, str):
        pytest.skip(answer)
    return answer


def need_image(name: str) -> str:
    """The image is there already: tests ask no registry."""
    try:
        need_engine().images.get(name)
    except ImageNotFound:
        pytest.skip(f"{name} is not on the engine: `sandbox images prepare` brings it")
    return name


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
