"""Images that processes can run: fetched by digest, unpacked once, read from disk; none is built.

Only images of the sandbox's own builder qualify: their programs are the host's interpreter
and server, so that no container engine is needed to run them.
"""

import json
import platform
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from sandbox.aws.ports import ImageResolver, ResolvedImage
from sandbox.aws.runtime.port import ImagePullError
from sandbox.aws.runtime.process.interpreter import adopt_interpreter
from sandbox.aws.runtime.process.layers import LayerError, unpack
from sandbox.errors import AwsError
from sandbox.types import JsonObject

BUILDPACK_LABEL = "sandbox.buildpack"
VENV_LABEL = "sandbox.venv"
PYTHON_LABEL = "sandbox.python"
STATIC_ROOT_LABEL = "sandbox.static.root"
BUILDPACKS = frozenset({"python", "static"})
_KEPT_UNUSED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an unpacked image says of how it runs."""

    digest: str
    rootfs: Path
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: str = ""
    exposed_ports: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class ImageStore:
    """Unpacked images under one folder. Thread-safe; an image appears whole or not at all."""

    def __init__(self, root: Path, resolver: ImageResolver) -> None:
        self._root = root
        self._resolver = resolver
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        root.mkdir(parents=True, exist_ok=True)

    def pull(self, image: str, digest: str) -> str:
        """Make the image's content local; return its digest.

        Raises:
            ImagePullError: it does not exist, or needs a container engine.

        """
        resolved = self._resolve(image, digest)
        with self._lock:
            lock = self._locks.setdefault(resolved.digest, threading.Lock())
        with lock:
            if not self._folder(resolved.digest).exists():
                self._fetch(resolved)
        return resolved.digest

    def digest(self, image: str) -> str:
        """Return the digest that the image's name stands for now.

        Raises:
            ImagePullError: it does not exist.

        """
        return self._resolve(image, "").digest

    def config(self, digest: str) -> ImageConfig | None:
        """Return a pulled image, or None."""
        folder = self._folder(digest)
        try:
            document = json.loads((folder / "config.json").read_text())
        except FileNotFoundError:
            return None
        return _config(digest, folder / "rootfs", document)

    def prune(self, used: set[str]) -> None:
        """Delete images that no task uses, but for the latest few, and half-made ones."""
        wanted = {self._folder(digest).name for digest in used}
        folders = [path for path in self._root.iterdir() if path.name not in wanted]
        whole = [path for path in folders if not path.name.startswith("tmp-")]
        newest = sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in set(folders) - set(newest[:_KEPT_UNUSED]):
            shutil.rmtree(path)

    def _folder(self, digest: str) -> Path:
        return self._root / digest.replace(":", "-")

    def _resolve(self, image: str, digest: str) -> ResolvedImage:
        if not self._resolver.owns(image):
            raise ImagePullError(
                f"CannotPullContainerError: {image} is not an image of this account's ECR: "
                "an image of another registry needs a container engine"
            )
        reference = f"{image.partition('@')[0]}@{digest}" if digest else image
        try:
            return self._resolver.resolve(reference)
        except AwsError as error:
            raise ImagePullError(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
                f"failed to resolve ref {image}: {image}: not found ({error.message})"
            ) from error

    def _fetch(self, image: ResolvedImage) -> None:
        manifest = self._manifest(image)
        config = self._document(manifest["config"])
        _require_own_build(image, config)
        layers = [
            self._resolver.blob_path(str(layer["digest"]))
            for layer in cast("Sequence[JsonObject]", manifest["layers"])
        ]
        temporary = self._root / f"tmp-{image.digest.replace(':', '-')}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            unpack(layers, temporary / "rootfs")
            labels = _config(image.digest, temporary / "rootfs", config).labels
            if venv := labels.get(VENV_LABEL):
                adopt_interpreter(temporary / "rootfs" / venv.lstrip("/"), labels[PYTHON_LABEL])
        except LayerError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise ImagePullError(
                f"CannotPullContainerError: failed to extract {image.reference}: {error}"
            ) from error
        (temporary / "config.json").write_text(json.dumps(config))
        temporary.rename(self._folder(image.digest))

    def _manifest(self, image: ResolvedImage) -> JsonObject:
        """Return the image's manifest; of an index, the one for this machine."""
        manifest = cast("JsonObject", json.loads(self._resolver.manifest(image)))
        if "manifests" not in manifest:
            return manifest
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        )
        for entry in cast("Sequence[JsonObject]", manifest["manifests"]):
            platform_ = cast("JsonObject", entry.get("platform") or {})
            if (platform_.get("os"), platform_.get("architecture")) == ("linux", machine):
                return self._document(entry)
        raise ImagePullError(
            f"CannotPullContainerError: {image.reference}: no matching manifest for "
            f"linux/{machine} in the manifest list entries"
        )

    def _document(self, descriptor: object) -> JsonObject:
        digest = str(cast("JsonObject", descriptor)["digest"])
        return cast("JsonObject", json.loads(self._resolver.blob_path(digest).read_bytes()))


def _require_own_build(image: ResolvedImage, document: JsonObject) -> None:
    labels = _config(image.digest, Path(), document).labels
    if labels.get(BUILDPACK_LABEL) not in BUILDPACKS:
        raise ImagePullError(
            f"CannotPullContainerError: {image.reference} was not built by "
            "`sandbox image build`: to run it needs a container engine"
        )


def _config(digest: str, rootfs: Path, document: JsonObject) -> ImageConfig:
    config = cast("JsonObject", document.get("config") or {})
    pairs = [str(item).partition("=") for item in _list(config, "Env")]
    exposed = cast("JsonObject", config.get("ExposedPorts") or {})
    labels = cast("JsonObject", config.get("Labels") or {})
    return ImageConfig(
        digest=digest,
        rootfs=rootfs,
        entry_point=tuple(str(word) for word in _list(config, "Entrypoint")),
        command=tuple(str(word) for word in _list(config, "Cmd")),
        environment={name: value for name, _, value in pairs},
        working_directory=str(config.get("WorkingDir") or "/"),
        user=str(config.get("User") or ""),
        exposed_ports=tuple(sorted(int(port.partition("/")[0]) for port in exposed)),
        labels={name: str(value) for name, value in labels.items()},
    )


def _list(config: JsonObject, key: str) -> Sequence[object]:
    return cast("Sequence[object]", config.get(key) or ())
