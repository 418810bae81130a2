"""Unpacks the layers of an image into a folder, as a container engine would; it runs nothing.

Source: OCI image-spec 1.1, layer.md (whiteouts). Nothing is ever written outside the
folder, whatever a layer's names and links say.
"""

import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class LayerError(Exception):
    """A layer cannot be unpacked; the text says why."""


def unpack(layers: Sequence[Path], root: Path) -> None:
    """Unpack gzipped or plain tar `layers`, lowest first, into the empty folder `root`.

    Raises:
        LayerError: a layer is damaged, or would write outside `root`.

    """
    root.mkdir(parents=True, exist_ok=True)
    for layer in layers:
        try:
            with tarfile.open(layer, "r:*") as archive:
                _unpack_one(archive, root)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise LayerError(f"layer {layer.name[:12]}: {error}") from error


def _unpack_one(archive: tarfile.TarFile, root: Path) -> None:
    fresh: set[Path] = set()
    for member in archive:
        name = PurePosixPath(member.name)
        parent = _safe_parent(root, name)
        if name.name == _OPAQUE:
            _empty(parent, keep=fresh)
        elif name.name.startswith(_WHITEOUT):
            _remove(parent / name.name.removeprefix(_WHITEOUT))
        elif name.name:
            fresh.add(_place(archive, member, parent / name.name, root))


def _safe_parent(root: Path, name: PurePosixPath) -> Path:
    """Return the folder of `name` below `root`; refuse to pass through links out of it."""
    parts = [part for part in name.parts if part not in {"/", "."}]
    if ".." in parts:
        raise LayerError(f"{name} leaves the image")
    parent = root
    for part in parts[:-1]:
        parent = parent / part
        if parent.is_symlink():
            parent = parent.resolve()
            if not parent.is_relative_to(root.resolve()):
                raise LayerError(f"{name} leaves the image by a link")
        elif parent.exists() and not parent.is_dir():
            parent.unlink()
        parent.mkdir(exist_ok=True)
    return parent


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path) -> Path:
    if member.isdir():
        if not target.is_dir() or target.is_symlink():
            _remove(target)
            target.mkdir()
        return target
    _remove(target)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        source = PurePosixPath(member.linkname)
        os.link(_safe_parent(root, source) / source.name, target, follow_symlinks=False)
    elif member.isfile():
        content = archive.extractfile(member)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)  # type: ignore[arg-type]
        # Set-user-id bits mean nothing to a process that runs as the current user.
        target.chmod(member.mode & 0o777 | 0o600)
        if member.mtime:
            # Without a time of its own a file keeps the time of its unpacking, so that what a
            # server derives from it (ETag, Last-Modified) differs from image to image.
            os.utime(target, (member.mtime, member.mtime))
    return target


def _empty(folder: Path, *, keep: set[Path]) -> None:
    for child in folder.iterdir():
        if child not in keep:
            _remove(child)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
