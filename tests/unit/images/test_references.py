from pathlib import Path

import pytest

from sandbox.errors import UsageError
from sandbox.images.references import base_images, find_dockerfiles, registry_of, with_tag

_TWO_STAGES = """\
ARG NODE_IMAGE=node:18-alpine
ARG SITE=nginx
FROM ${NODE_IMAGE} AS build
RUN true
FROM build AS tested
FROM ${SITE}:alpine
COPY --from=build /out /site
COPY --from=busybox:1.36 /bin/busybox /bin/
"""


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_bases_are_read_with_the_defaults_of_their_arguments_and_without_stages(
    tmp_path: Path,
) -> None:
    path = _write(tmp_path / "Dockerfile", _TWO_STAGES)
    assert base_images([path], []) == {
        "node:18-alpine": (str(path),),
        "nginx:alpine": (str(path),),
        "busybox:1.36": (str(path),),
    }


def test_an_image_is_listed_once_with_everything_that_names_it(tmp_path: Path) -> None:
    one = _write(tmp_path / "a/Dockerfile", "FROM alpine\nFROM docker.io/library/alpine:latest\n")
    two = _write(tmp_path / "b/Dockerfile", "FROM scratch\nFROM alpine\n")
    assert base_images([one, two], ["alpine"]) == {"alpine:latest": ("--image", str(one), str(two))}


def test_a_base_that_only_the_build_knows_is_refused_with_its_line(tmp_path: Path) -> None:
    path = _write(tmp_path / "Dockerfile", "ARG BASE\nFROM ${BASE}\n")
    with pytest.raises(UsageError, match="line 2: the base image is known only at build time"):
        base_images([path], [])


def test_a_malformed_dockerfile_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "Dockerfile", "RUN true\n")
    with pytest.raises(UsageError, match=f"{path}: line 1"):
        base_images([path], [])


def test_dockerfiles_are_found_two_levels_down_and_not_in_vendored_folders(tmp_path: Path) -> None:
    wanted = [_write(tmp_path / f, "FROM a") for f in ("Dockerfile", "apps/web/Dockerfile")]
    for unwanted in ("apps/node_modules/Dockerfile", ".cache/Dockerfile", "a/b/c/Dockerfile"):
        _write(tmp_path / unwanted, "FROM a")
    assert list(find_dockerfiles(tmp_path)) == wanted


@pytest.mark.parametrize(
    ("reference", "name", "registry"),
    [
        ("nginx", "nginx:latest", "docker.io"),
        ("docker.io/library/nginx:alpine", "nginx:alpine", "docker.io"),
        ("docker.io/me/app", "me/app:latest", "docker.io"),
        ("quay.io/me/app:1", "quay.io/me/app:1", "quay.io"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000"),
        ("app@sha256:00", "app@sha256:00", "docker.io"),
    ],
)
def test_names_are_as_docker_shows_them(reference: str, name: str, registry: str) -> None:
    assert with_tag(reference) == name
    assert registry_of(with_tag(reference)) == registry
