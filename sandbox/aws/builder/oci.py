"""Writes OCI image content: layers, config and manifest, the same bytes for the same files."""

import gzip
import hashlib
import io
import json
import platform
import stat
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox.aws.builder.plan import ImageSettings

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
# A time of its own would give equal content another digest at each build.
_CREATED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a layer: a file or folder of this host, or given content or link text."""

    name: str
    """Path in the image, without a leading slash."""
    source: Path | None = None
    content: bytes | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A written layer."""

    path: Path
    digest: str
    diff_id: str
    size_bytes: int
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image, ready to push."""

    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """The image's digest: that of its manifest."""
        return digest_of(self.manifest)


class _HashingFile:
    """Passes writes on and hashes them."""

    def __init__(self, inner: IO[bytes] | gzip.GzipFile) -> None:
        self._inner = inner
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._inner.write(data)

    def flush(self) -> None:
        self._inner.flush()


def digest_of(body: bytes) -> str:
    """Return the name of `body`."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def write_layer(entries: Iterable[Entry], path: Path, *, created_by: str) -> Layer:
    """Write a gzipped layer: sorted, without times, owners or the host's odd modes."""
    with path.open("wb") as file:
        packed = _HashingFile(file)
        zipped = gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0, compresslevel=6)
        with zipped:
            plain = _HashingFile(zipped)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
                for entry in _with_parents(entries):
                    _add(archive, entry)
    return Layer(
        path=path,
        digest=f"sha256:{packed.sha256.hexdigest()}",
        diff_id=f"sha256:{plain.sha256.hexdigest()}",
        size_bytes=packed.size,
        created_by=created_by,
    )


def tree(folder: Path, prefix: str) -> Iterable[Entry]:
    """Return an entry for everything below `folder`, placed under `prefix` in the image."""
    for path in folder.rglob("*"):
        name = f"{prefix.strip('/')}/{path.relative_to(folder).as_posix()}".lstrip("/")
        yield Entry(name=name, source=path)


def image(
    settings: ImageSettings, layers: Sequence[Layer], labels: Mapping[str, str]
) -> BuiltImage:
    """Put layers and declarations together."""
    config = _json(_config(settings, layers, labels))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": _CONFIG_TYPE,
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": [
            {"mediaType": _LAYER_TYPE, "digest": layer.digest, "size": layer.size_bytes}
            for layer in layers
        ],
    }
    return BuiltImage(layers=tuple(layers), config=config, manifest=_json(manifest))


def _config(
    settings: ImageSettings, layers: Sequence[Layer], labels: Mapping[str, str]
) -> Mapping[str, object]:
    """Source: OCI image-spec 1.1, config.md; Healthcheck is Docker's addition."""
    machine = platform.machine()
    fields: dict[str, object] = {
        "Env": [f"{name}={value}" for name, value in settings.environment.items()],
        "Entrypoint": list(settings.entry_point),
        "Cmd": list(settings.command),
        "WorkingDir": settings.workdir,
        "User": settings.user,
        "ExposedPorts": {port: {} for port in settings.exposed},
        "Labels": {**settings.labels, **labels},
        "Volumes": {path: {} for path in settings.volumes},
        "StopSignal": settings.stop_signal,
        "Healthcheck": settings.health_check,
    }
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux",
        "created": _CREATED,
        "config": {key: value for key, value in fields.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": _CREATED, "created_by": layer.created_by} for layer in layers],
    }


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _with_parents(entries: Iterable[Entry]) -> Iterable[Entry]:
    named = {entry.name: entry for entry in entries}
    for name in list(named):
        parts = name.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            named.setdefault(parent, Entry(name=parent))
    return (named[name] for name in sorted(named))


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.name)
    link = entry.link
    if link is None and entry.source is not None and entry.source.is_symlink():
        link = str(entry.source.readlink())
    if link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, link
        archive.addfile(info)
    elif entry.content is not None:
        info.mode, info.size = 0o644, len(entry.content)
        archive.addfile(info, io.BytesIO(entry.content))
    elif entry.source is None or entry.source.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    elif entry.source.is_file():
        state = entry.source.stat()
        info.size = state.st_size
        info.mode = 0o755 if state.st_mode & stat.S_IXUSR else 0o644
        with entry.source.open("rb") as file:
            archive.addfile(info, file)
