import io
import tarfile
from pathlib import Path

import pytest

from sandbox.aws.runtime.process.layers import LayerError, unpack


def layer(path: Path, *members: tuple[str, object]) -> Path:
    """Write a layer: bytes are files, None folders, `->x` soft and `=>x` hard links."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                info.linkname = content[2:]
            else:
                assert isinstance(content, bytes)
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return path


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    root = tmp_path / "root"
    unpack(
        [
            layer(tmp_path / "1", ("a/x", b"1"), ("a/y", b"1"), ("b", b"1"), ("c", b"1")),
            layer(tmp_path / "2", ("a/x", b"2"), ("a/.wh.y", b""), ("b/z", b"2"), (".wh.c", b"")),
        ],
        root,
    )
    assert names(root) == ["a", "a/x", "b", "b/z"]
    assert (root / "a/x").read_bytes() == b"2"


def test_opaque_whiteout_hides_what_lay_below(tmp_path: Path) -> None:
    root = tmp_path / "root"
    unpack(
        [
            layer(tmp_path / "1", ("a/old", b"1")),
            layer(tmp_path / "2", ("a/new", b"2"), ("a/.wh..wh..opq", b"")),
        ],
        root,
    )
    assert names(root) == ["a", "a/new"]


def test_links_inside_the_image_work(tmp_path: Path) -> None:
    root = tmp_path / "root"
    members = (("lib/x", b"1"), ("soft", "->lib"), ("hard", "=>lib/x"), ("soft/y", b"2"))
    unpack([layer(tmp_path / "1", *members)], root)
    assert (root / "hard").read_bytes() == b"1"
    assert (root / "lib/y").read_bytes() == b"2"


@pytest.mark.parametrize(
    "members",
    [
        (("../evil", b"x"),),
        (("a/../../evil", b"x"),),
        (("out", "->/"), ("out/tmp/evil", b"x")),
        (("out", "->.."), ("out/evil", b"x")),
        (("a", "->../.."), ("b", "->a"), ("b/evil", b"x")),
        (("hard", "=>../outside"),),
    ],
    ids=["dots", "inner-dots", "absolute-link", "relative-link", "chained-links", "hard-link"],
)
def test_nothing_is_written_or_read_outside(
    tmp_path: Path, members: tuple[tuple[str, object], ...]
) -> None:
    (tmp_path / "outside").write_text("secret")
    root = tmp_path / "deep" / "root"
    with pytest.raises(LayerError):
        unpack([layer(tmp_path / "layer", *members)], root)
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "deep" / "evil").exists()
    assert not (root / "hard").exists()


def test_absolute_names_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    unpack([layer(tmp_path / "1", ("/etc/x", b"1"))], root)
    assert names(root) == ["etc", "etc/x"]


def test_damaged_layer_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(LayerError, match="layer bad"):
        unpack([tmp_path / "bad"], tmp_path / "root")
