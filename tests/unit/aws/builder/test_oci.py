import json
import os
import tarfile
from pathlib import Path

from sandbox.aws.builder.oci import Entry, image, tree, write_layer
from sandbox.aws.builder.plan import ImageSettings


def make_tree(folder: Path, *, mtime: int, names: list[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (mtime, mtime))
    (folder / "run.sh").write_text("x")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_same_files_give_the_same_layer_whatever_their_times_and_order(tmp_path: Path) -> None:
    one = make_tree(tmp_path / "one", mtime=1, names=["b/x", "a"])
    two = make_tree(tmp_path / "two", mtime=2_000_000_000, names=["a", "b/x"])
    digests = {
        write_layer(tree(folder, "/app"), tmp_path / "layer", created_by="t").digest
        for folder in (one, two)
    }
    assert len(digests) == 1


def test_layer_has_parents_links_and_modes(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "tree", mtime=5, names=["a"])
    entries = [*tree(folder, "/srv/app"), Entry(name="srv/link", link="/usr/bin/python3")]
    layer = write_layer(entries, tmp_path / "layer", created_by="t")
    with tarfile.open(layer.path) as archive:
        found = {m.name: m for m in archive}
    assert sorted(found) == ["srv", "srv/app", "srv/app/a", "srv/app/run.sh", "srv/link"]
    assert found["srv"].isdir()
    assert found["srv/link"].linkname == "/usr/bin/python3"
    assert (found["srv/app/a"].mode, found["srv/app/run.sh"].mode) == (0o644, 0o755)
    assert {m.mtime for m in found.values()} == {0}


def test_image_names_its_layers_and_declarations(tmp_path: Path) -> None:
    layer = write_layer([Entry(name="a", content=b"x")], tmp_path / "layer", created_by="COPY a")
    settings = ImageSettings(environment={"A": "1"}, command=("x",), exposed=("80/tcp",))
    built = image(settings, [layer], {"l": "v"})
    config, manifest = json.loads(built.config), json.loads(built.manifest)
    assert config["rootfs"]["diff_ids"] == [layer.diff_id]
    assert config["config"] == {
        "Env": ["A=1"],
        "Cmd": ["x"],
        "WorkingDir": "/",
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"l": "v"},
    }
    assert [item["digest"] for item in manifest["layers"]] == [layer.digest]
    assert layer.size_bytes == layer.path.stat().st_size
