"""`sandbox images` on a real engine: fetched from a registry, made here, or said to be missing."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from container_engine import FILE, need_engine, write_files
from docker.errors import APIError
from ecr_server import EcrServer, serve

from sandbox.container_engine import connect
from sandbox.images import registry
from sandbox.images.registry import RegistryAwayError


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    return need_engine()


@pytest.fixture
def ecr(tmp_path: Path) -> Iterator[EcrServer]:
    made = serve(tmp_path / "ecr")
    yield made
    made.stop()


@pytest.fixture
def published(engine: docker.DockerClient, ecr: EcrServer, tmp_path: Path) -> Iterator[str]:
    """An image that only its registry has; the docker configuration in `tmp_path` opens that."""
    client = ecr.client()
    client.create_repository(repositoryName="base")
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    name = f"{ecr.image_host()}/base:{uuid.uuid4().hex[:8]}"
    context = write_files(tmp_path / "base", {**FILE, "file": name})
    engine.images.build(path=str(context), tag=name, rm=True)
    user, _, password = base64.b64decode(token).decode().partition(":")
    login = {"username": user, "password": password}
    assert "errorDetail" not in str(engine.images.push(name, auth_config=login))
    engine.api.remove_image(name, force=True)
    auths = {"auths": {ecr.host: {"auth": token}}}
    write_files(tmp_path / "docker", {"config.json": json.dumps(auths)})
    yield name
    with suppress(APIError):
        engine.api.remove_image(name, force=True)


def sandbox(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "empty").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "sandbox.cli", "images", *words],
        cwd=folder / "empty",
        env={**os.environ, "DOCKER_CONFIG": str(folder / "docker"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_an_image_is_fetched_once_and_listed_as_its_publishers(
    published: str, tmp_path: Path
) -> None:
    dockerfile = write_files(
        tmp_path / "app", {"Dockerfile": f"ARG BASE={published}\nFROM $BASE\n"}
    )
    path = str(dockerfile / "Dockerfile")
    assert rows(sandbox(tmp_path, "list", path, "--json"))[0]["origin"] == "missing"
    first, second = (rows(sandbox(tmp_path, "prepare", path, "--json"))[0] for _ in range(2))
    assert (first["image"], first["origin"], first["deed"]) == (published, "registry", "fetched")
    assert second["deed"] == "kept"
    listed = rows(sandbox(tmp_path, "list", path, "--json"))[0]
    assert (listed["origin"], listed["named_by"]) == ("registry", [path])


def test_an_image_that_its_registry_does_not_have_is_no_stand_in(
    published: str, tmp_path: Path
) -> None:
    absent = f"{published}0"
    done = sandbox(tmp_path, "prepare", "--image", absent)
    assert done.returncode == 1
    assert f"{absent}: the registry" in done.stderr
    assert "has no such image" in done.stderr


def test_a_registry_that_refuses_is_told_from_one_that_is_away(
    published: str, tmp_path: Path
) -> None:
    (tmp_path / "docker/config.json").write_text("{}")
    done = sandbox(tmp_path, "prepare", "--image", published)
    assert done.returncode == 1
    assert "`docker login` may help" in done.stderr


def test_an_image_without_registry_and_recipe_is_named(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    done = sandbox(tmp_path, "prepare", "--image", "127.0.0.1:1/team/app:1")
    assert done.returncode == 1
    assert "127.0.0.1:1/team/app:1: no stand-in can be made" in done.stderr
    assert "Stand-ins are known for debian:bookworm*, python:3.11*" in done.stderr


def test_a_silent_registry_counts_as_away(engine: docker.DockerClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"127.0.0.1:{server.getsockname()[1]}/team/app:1"
        impatient = connect(dict(os.environ), timeout_s=1)
        with pytest.raises(RegistryAwayError, match="does not answer within 1 s"):
            registry.pull(impatient, name, lambda _line: None)


def test_a_stand_in_is_made_labelled_and_kept(engine: docker.DockerClient, tmp_path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    name = f"debian:12-{uuid.uuid4().int % 10**9}"
    words = ("--image", name, "--stand-in", "--json")
    try:
        made = rows(sandbox(tmp_path, "prepare", *words))[0]
        assert (made["origin"], made["deed"], made["cause"]) == ("stand-in", "made", "asked for")
        assert rows(sandbox(tmp_path, "prepare", *words))[0]["deed"] == "kept"
        said = engine.containers.run(name, ["cat", "/etc/os-release"], remove=True)
        assert b"VERSION_CODENAME=bookworm" in said
    finally:
        with suppress(APIError):
            engine.api.remove_image(name, force=True)


def test_without_an_engine_the_exit_code_says_what_is_missing(tmp_path: Path) -> None:
    for command in ("list", "prepare"):
        done = sandbox(tmp_path, command, "--image", "nginx", DOCKER_HOST="tcp://127.0.0.1:1")
        assert done.returncode == 3
        assert "No container engine answers at tcp://127.0.0.1:1" in done.stderr


def test_a_folder_that_names_no_image_is_a_wrong_use(tmp_path: Path) -> None:
    done = sandbox(tmp_path, "list")
    assert done.returncode == 2
    assert "No Dockerfile in this folder" in done.stderr
