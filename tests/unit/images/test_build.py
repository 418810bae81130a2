from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from sandbox.images.build import ImageBuild, build_words, choose_builder

OLD = 'case "$1" in version) echo 20.10.24 ;; *) exit 1 ;; esac'
NEW = 'case "$1" in version) echo 28.2.2 ;; *) exit 1 ;; esac'
WITH_BUILDX = 'case "$1" in context) echo lab ;; *) echo 28.2.2 ;; esac'


def test_the_docker_command_gets_every_part_of_the_build() -> None:
    wanted = ImageBuild(
        context=Path("apps/web"),
        dockerfile=Path("apps/web/Dockerfile"),
        tags=("web:1", "web:2"),
        build_args={"A": "1"},
        labels={"l": "x y"},
        target="runtime",
    )
    assert build_words(wanted, Path("id")) == [
        *("build", "--progress=plain", "--iidfile", "id", "--file", "apps/web/Dockerfile"),
        *("--tag", "web:1", "--tag", "web:2", "--build-arg", "A=1", "--label", "l=x y"),
        *("--target", "runtime", "apps/web"),
    ]


class Engine:
    """What the choice asks of an engine."""

    def __init__(self, name: str, api_version: str) -> None:
        self.api = self
        self.api_version = api_version
        self._name = name

    def version(self) -> Mapping[str, Any]:
        return {"Components": [{"Name": self._name}]}


@pytest.mark.parametrize(
    ("engine", "commands", "chosen"),
    [
        (("Engine", "1.41"), [NEW, WITH_BUILDX, OLD], "BuildKit ({1}/docker, buildx)"),
        (("Engine", "1.41"), [NEW, OLD], "BuildKit ({1}/docker, client 20.10.24)"),
        (("Engine", "1.41"), [NEW], "the engine's classic builder"),
        (("Engine", "1.41"), [], "the engine's classic builder"),
        (("Engine", "1.38"), [WITH_BUILDX], "the engine's classic builder"),
        (("Podman Engine", "1.41"), [WITH_BUILDX], "the engine's classic builder"),
    ],
    ids=["buildx first", "older client", "new client alone", "no client", "old engine", "podman"],
)
def test_the_best_builder_that_is_there_is_chosen(
    tmp_path: Path, engine: tuple[str, str], commands: list[str], chosen: str
) -> None:
    folders = [tmp_path / str(number) for number in range(len(commands))]
    for folder, script in zip(folders, commands, strict=True):
        folder.mkdir()
        (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "docker").chmod(0o755)
    path = ":".join(map(str, folders))
    client = cast("docker.DockerClient", Engine(*engine))
    assert choose_builder(client, {"PATH": path}).name.startswith(chosen.format(*folders))
