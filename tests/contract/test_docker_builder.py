"""`python -m sandbox.images.builder` as a pipeline step runs it, and the plain docker command."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
import requests
from builder_step import REGISTRY, BuilderStep
from container_engine import FILE, need_engine, need_image, write_files
from docker.errors import APIError
from ecr_server import serve
from patience import eventually

from sandbox.images.build import ClassicBuilder, ImageBuild, choose_builder

APPS = Path(__file__).parents[2] / "apps"


@pytest.fixture
def engine() -> docker.DockerClient:
    return need_engine()


@pytest.fixture
def repo() -> str:
    """A name of this test's own: the engine is shared."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def builder(engine: docker.DockerClient, repo: str, tmp_path: Path) -> Iterator[BuilderStep]:
    server = serve(tmp_path / "ecr")
    server.client().create_repository(repositoryName=repo)
    home = tmp_path / "home"
    home.mkdir()
    own = {
        "HOME": str(home),
        "DOCKER_CONFIG": str(home / "docker"),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    yield BuilderStep(module="sandbox.images.builder", server=server, home=home, more=own)
    server.stop()
    for image in engine.images.list():
        for tag in (tag for tag in image.tags if repo in tag):
            with suppress(APIError):
                engine.api.remove_image(tag, force=True)


def _site(folder: Path) -> Path:
    return write_files(folder, {**FILE, "file": uuid.uuid4().hex})


def test_every_tag_is_pushed_and_the_artifact_has_the_registrys_digest(
    builder: BuilderStep, repo: str, tmp_path: Path
) -> None:
    context = _site(tmp_path / "app")
    done = builder(repo, context, PLUGIN_TAGS="v1,abc", PLUGIN_BUILD_ARGS="WORD=hello")
    assert done.returncode == 0, done.stdout + done.stderr
    found = builder.server.client().describe_images(repositoryName=repo)["imageDetails"]
    assert [sorted(row["imageTags"]) for row in found] == [["abc", "v1"]]
    digest = found[0]["imageDigest"]
    assert builder.artifact() == {
        "kind": "docker/v1",
        "data": {
            "registryType": "ECR",
            "registryUrl": REGISTRY,
            "images": [
                {"image": f"{repo}:v1", "digest": digest},
                {"image": f"{repo}:abc", "digest": digest},
            ],
        },
    }


def test_arguments_labels_and_target_reach_the_image(
    builder: BuilderStep, engine: docker.DockerClient, repo: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": FILE["Dockerfile"].replace("scratch", "scratch AS wanted")
        + "FROM scratch\nCOPY absent /\n",
        "file": "1",
    }
    context = write_files(tmp_path / "app", files)
    done = builder(
        repo,
        context,
        PLUGIN_TARGET="wanted",
        PLUGIN_BUILD_ARGS="WORD=hello",
        PLUGIN_CUSTOM_LABELS="org.opencontainers.image.revision=abc",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    image = engine.images.get(f"sandbox-cache/{REGISTRY}/{repo}:latest")
    assert image.labels == {"word": "hello", "org.opencontainers.image.revision": "abc"}


def test_a_second_build_takes_its_layers_from_the_cache_and_pushes_the_same_image(
    builder: BuilderStep, repo: str, tmp_path: Path
) -> None:
    context = _site(tmp_path / "app")
    first = builder(repo, context)
    digest = builder.artifact()
    second = builder(repo, context)
    assert first.returncode == second.returncode == 0, second.stdout
    assert "CACHED" in second.stdout or "Using cache" in second.stdout
    assert builder.artifact() == digest
    assert "Layer already exists" in second.stdout


def test_the_log_says_which_builder_was_used_and_no_docker_login_is_left_behind(
    builder: BuilderStep, engine: docker.DockerClient, repo: str, tmp_path: Path
) -> None:
    done = builder(repo, _site(tmp_path / "app"))
    chosen = choose_builder(engine, builder.environment)
    assert f"with {chosen.name}" in done.stdout
    assert not list((builder.home / "docker").glob("config.json"))


def test_only_the_layers_stay_on_the_engine(
    builder: BuilderStep, engine: docker.DockerClient, repo: str, tmp_path: Path
) -> None:
    builder(repo, _site(tmp_path / "app"))
    tags = [tag for image in engine.images.list() for tag in image.tags if repo in tag]
    assert tags == [f"sandbox-cache/{REGISTRY}/{repo}:latest"]
    earlier = engine.images.get(tags[0]).id
    builder(repo, _site(tmp_path / "app"))
    assert earlier not in {image.id for image in engine.images.list()}


def test_a_push_that_ecr_refuses_ends_in_its_words(
    builder: BuilderStep, engine: docker.DockerClient, tmp_path: Path
) -> None:
    done = builder("nowhere", _site(tmp_path / "app"))
    assert done.returncode == 1
    assert "push was refused" in done.stdout
    assert "The repository with name 'nowhere' does not exist" in done.stdout
    assert not (builder.home / "artifact.json").exists()
    assert not engine.images.list(name=f"{builder.server.host}/{REGISTRY}/nowhere")


def test_a_dockerfile_that_fails_ends_in_the_builders_words(
    builder: BuilderStep, repo: str, tmp_path: Path
) -> None:
    context = write_files(tmp_path / "app", {"Dockerfile": "FROM scratch\nCOPY absent /\n"})
    done = builder(repo, context)
    assert done.returncode == 1
    assert "absent" in done.stdout


def test_a_base_image_that_cannot_be_had_is_named_with_the_way_to_it(
    builder: BuilderStep, repo: str, tmp_path: Path
) -> None:
    context = write_files(tmp_path / "app", {"Dockerfile": "FROM 127.0.0.1:1/absent:1\n"})
    done = builder(repo, context)
    assert done.returncode == 1
    assert "127.0.0.1:1/absent:1 is not on the engine: its registry is asked" in done.stdout
    assert f"hint: `sandbox images prepare {context}/Dockerfile`" in done.stdout


def test_a_missing_dockerfile_and_missing_settings_are_named(
    builder: BuilderStep, repo: str, tmp_path: Path
) -> None:
    done = builder(repo, tmp_path / "absent")
    assert (done.returncode, "Dockerfile is no file" in done.stdout) == (1, True)
    assert "PLUGIN_TAGS" in builder(repo, tmp_path, PLUGIN_TAGS="").stdout


def test_without_an_engine_the_message_says_so(
    builder: BuilderStep, repo: str, tmp_path: Path
) -> None:
    done = builder(repo, tmp_path, PLUGIN_DOCKERFILE=__file__, DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == 3
    assert "No container engine answers at tcp://127.0.0.1:1" in done.stdout


def test_the_classic_builder_makes_the_same_image_from_the_same_files(
    engine: docker.DockerClient, repo: str, tmp_path: Path
) -> None:
    context = _site(tmp_path / "app")
    lines: list[str] = []
    wanted = ImageBuild(
        context=context,
        dockerfile=context / "Dockerfile",
        tags=(f"{repo}:1",),
        build_args={"WORD": "hello"},
        labels={"a": "b"},
    )
    identifier = ClassicBuilder(engine).build(wanted, lines.append)
    try:
        image = engine.images.get(f"{repo}:1")
        assert image.id == identifier
        assert image.labels == {"word": "hello", "a": "b"}
        assert any(line.startswith("Step 1/") for line in lines)
    finally:
        engine.api.remove_image(f"{repo}:1", force=True)


def test_the_docker_command_logs_in_pushes_and_pulls_with_no_daemon_configuration(
    builder: BuilderStep, engine: docker.DockerClient, repo: str, tmp_path: Path
) -> None:
    if shutil.which("docker") is None or shutil.which("aws", path=_tools()) is None:
        pytest.skip("needs the docker and the aws command")
    client = builder.server.client()
    uri = client.describe_repositories(repositoryNames=[repo])["repositories"][0]["repositoryUri"]
    environment = {**builder.environment, "PATH": _tools()}

    def run(*words: str, given: str = "") -> str:
        done = subprocess.run(
            words, env=environment, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr}"
        return done.stdout

    password = run("aws", "ecr", "get-login-password")
    login = ("docker", "login", "--username", "AWS", "--password-stdin")
    assert "Login Succeeded" in run(*login, builder.server.host, given=password)
    context = _site(tmp_path / "app")
    engine.images.build(path=str(context), tag=f"{uri}:cli", rm=True)
    pushed = run("docker", "push", f"{uri}:cli")
    engine.api.remove_image(f"{uri}:cli", force=True)
    assert "Downloaded newer image" in run("docker", "pull", f"{uri}:cli")
    digest = client.describe_images(repositoryName=repo)["imageDetails"][0]["imageDigest"]
    assert digest in pushed
    assert engine.images.get(f"{uri}:cli").attrs["RepoDigests"] == [f"{uri}@{digest}"]


def test_the_workshops_backend_is_built_as_it_is_and_answers(
    builder: BuilderStep, engine: docker.DockerClient, repo: str
) -> None:
    need_image("python:3.11-slim")
    done = builder(repo, APPS / "backend", PLUGIN_DOCKERFILE=str(APPS / "backend/Dockerfile"))
    assert done.returncode == 0, done.stdout + done.stderr
    image = engine.images.get(f"sandbox-cache/{REGISTRY}/{repo}:latest")
    container = engine.containers.run(
        image.id, detach=True, ports={"5000/tcp": ("127.0.0.1", 0)}, labels={"test": repo}
    )
    try:
        container.reload()
        port = container.ports["5000/tcp"][0]["HostPort"]
        eventually(lambda: _answers(f"http://127.0.0.1:{port}/api/health"), "the back end answers")
    finally:
        container.remove(force=True)


def _answers(url: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(url, timeout=5).status_code == 200
    return False


def _tools() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"
