import io
import tarfile
from pathlib import Path

import pytest

from sandbox.errors import DependencyError, SandboxError
from sandbox.images.debian import (
    debootstrap_words,
    kept_options,
    make_root_file_system,
    proxies,
    sources,
)
from sandbox.images.foundry import unpack
from sandbox.images.registry import RegistryAwayError, _failure
from sandbox.images.stand_ins import digest_of, files_of, recipe_of


@pytest.mark.parametrize(
    ("image", "folder"),
    [
        ("python:3.11-slim", "python"),
        ("python:3.11.9-slim-bookworm", "python"),
        ("node:18-alpine", "node"),
        ("node:20.11.1", "node"),
        ("nginx:alpine", "nginx"),
        ("nginx:1.27", "nginx"),
        ("debian:bookworm-slim", "debian"),
        ("debian:12", "debian"),
    ],
)
def test_an_image_has_the_recipe_of_its_kind(image: str, folder: str) -> None:
    recipe = recipe_of(image)
    assert recipe is not None
    assert recipe.folder.name == folder
    assert "Dockerfile" in files_of(recipe.folder)


@pytest.mark.parametrize(
    "image",
    ["python:3.12-slim", "node:16", "redis:7", "quay.io/me/nginx:1", "debian:trixie", "python:3"],
)
def test_another_image_has_none(image: str) -> None:
    assert recipe_of(image) is None


def test_the_version_of_node_is_the_tags_own() -> None:
    recipe = recipe_of("node:20.11.1-alpine3.19")
    assert recipe is not None
    assert recipe.node == "20.11.1"


def test_the_digest_changes_with_any_part() -> None:
    assert digest_of("a", {"f": b"1"}) != digest_of("a", {"f": b"2"})
    assert digest_of("a", "bc") != digest_of("ab", "c")


_TARGETS = """\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm-updates main
http://mirror.example/debian/ bookworm contrib
http://packages.example/apt stable stable
http://mirror.example/debian-security/ bookworm-security main
"""


def test_stand_ins_use_the_hosts_own_mirrors() -> None:
    assert sources(_TARGETS) == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]


def test_a_host_of_another_release_lends_its_mirror() -> None:
    targets = "http://mirror.example/debian/ trixie main\nhttp://m/debian-security x-security main"
    assert sources(targets) == ["deb http://mirror.example/debian/ bookworm main"]


def test_a_host_that_is_no_debian_leaves_the_mirror_to_mmdebstrap() -> None:
    assert sources("http://archive.example/ubuntu noble main") == []


_CONFIG = """\
Acquire::http::Proxy "http://me:secret@proxy.example:3128";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
"""


def test_options_and_proxies_are_the_hosts_and_no_proxy_stays_in_an_image() -> None:
    options = kept_options(_CONFIG)
    assert options == ['Acquire::Check-Valid-Until "false";']
    assert proxies(_CONFIG) == {"http_proxy": "http://me:secret@proxy.example:3128"}
    words = debootstrap_words(Path("root.tar"), ["deb m bookworm main"], options)
    assert words[-3:] == ["bookworm", "root.tar", "deb m bookworm main"]
    assert "secret" not in " ".join(words)


def test_a_missing_mmdebstrap_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="mmdebstrap is missing") as error:
        make_root_file_system(tmp_path / "t", {"PATH": str(tmp_path)}, lambda _line: None)
    assert "apt-get install mmdebstrap" in error.value.hint


@pytest.mark.parametrize(
    ("message", "is_away"),
    [
        ('Get "https://registry-1.docker.io/v2/": dial tcp: lookup: no such host', True),
        ("net/http: request canceled while waiting for connection", True),
        ("toomanyrequests: You have reached your pull rate limit.", False),
        ("unauthorized: authentication required", False),
        ('Get "http://127.0.0.1:5000/v2/app/manifests/1": no basic auth credentials', False),
    ],
)
def test_a_registry_that_refuses_is_told_from_one_that_is_away(message: str, is_away: bool) -> None:
    error = _failure("docker.io", "nginx:alpine", message)
    assert isinstance(error, RegistryAwayError) is is_away
    assert message.rpartition(": ")[2] in error.message


def _archive(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            packed.addfile(member, io.BytesIO(b"x"))
    return path


def test_a_program_and_a_folder_are_unpacked_to_their_places(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tgz", ["package/bin/node", "package/README", "package2/x"])
    unpack(archive, {"package/bin/node": tmp_path / "node/bin/node"})
    assert (tmp_path / "node/bin/node").stat().st_mode & 0o777 == 0o755
    unpack(archive, {"package": tmp_path / "all"})
    names = [str(p.relative_to(tmp_path / "all")) for p in (tmp_path / "all").rglob("*")]
    assert sorted(names) == ["README", "bin", "bin/node"]


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tgz", ["package/../../evil"])
    with pytest.raises(SandboxError, match="leaves its folder"):
        unpack(archive, {"package": tmp_path / "all"})
