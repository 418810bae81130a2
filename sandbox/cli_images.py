"""`sandbox images ...`: the base images of a project on this machine's container engine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from sandbox import terminal
from sandbox.cli_options import as_json
from sandbox.errors import UsageError
from sandbox.host import host_environment
from sandbox.images.engine import LocalImage
from sandbox.images.references import base_images, find_dockerfiles

_DOCKERFILES = click.argument(
    "dockerfiles", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
_NAMED = click.option("--image", "named", multiple=True, help="One more image; may be repeated.")


@click.group(short_help="Base images on the container engine.")
def images() -> None:
    """Have every base image of a project ready, so that builds work offline afterwards."""


@images.command()
@_DOCKERFILES
@_NAMED
@click.option("--stand-in", is_flag=True, help="Make stand-ins even if a registry answers.")
@click.option("--refresh", is_flag=True, help="Fetch or make anew what is there already.")
@as_json
def prepare(
    dockerfiles: tuple[Path, ...],
    named: tuple[str, ...],
    stand_in: bool,
    refresh: bool,
    json_: bool,
) -> None:
    """Fetch every base image that the DOCKERFILES name; by default those of this folder.

    Where no registry answers, stand-ins are made from Debian packages (mmdebstrap) and npm,
    for python:3.11, node:18|20|22, nginx and debian:bookworm. They are Debian inside: an
    alpine image's `apk` is not there. Repeating it is harmless and quick.

    \b
    sandbox images prepare                          the Dockerfiles below this folder
    sandbox images prepare --image redis:7          one more
    sandbox images prepare --stand-in               without asking a registry
    """
    from sandbox.images.prepare import Wish
    from sandbox.images.prepare import prepare as prepare_all
    from sandbox.images.workshop import EngineWorkshop

    users = _users(dockerfiles, named)
    workshop = EngineWorkshop(host_environment(), fresh=refresh)
    with terminal.step(f"preparing {len(users)} base images") as line:
        wish = Wish(stand_in=stand_in, refresh=refresh)
        prepared = prepare_all(tuple(users), wish, workshop, line)
    if json_:
        rows = [{**_row(p.image, users), "deed": p.deed, "cause": p.cause} for p in prepared]
        terminal.print_json(rows)
        return
    terminal.print_table(
        ("image", "origin", "size", "deed", "cause"),
        [(p.image.name, p.image.origin, _size(p.image), p.deed, p.cause) for p in prepared],
    )


@images.command("list")
@_DOCKERFILES
@_NAMED
@as_json
def list_(dockerfiles: tuple[Path, ...], named: tuple[str, ...], json_: bool) -> None:
    """List the base images that the DOCKERFILES name, and whether the engine has them.

    `registry`: as its publisher made it. `stand-in`: made here from Debian packages.
    `local`: built here under that name. `missing`: `sandbox images prepare` brings it.
    """
    from sandbox.container_engine import connect
    from sandbox.images import engine

    users = _users(dockerfiles, named)
    client = connect(host_environment(), timeout_s=20)
    found = [engine.look_up(client, name) for name in users]
    if json_:
        terminal.print_json([_row(image, users) for image in found])
        return
    terminal.print_table(
        ("image", "origin", "size", "named by"),
        [(i.name, terminal.status_cell(i.origin), _size(i), _short(users[i.name])) for i in found],
    )


def _users(dockerfiles: Sequence[Path], named: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the images with what names each."""
    users = base_images(dockerfiles or find_dockerfiles(Path.cwd()), named)
    if not users:
        raise UsageError(
            "No Dockerfile in this folder or two levels below names a base image.",
            hint="Name the Dockerfiles, or an image with --image.",
        )
    return users


def _row(image: LocalImage, users: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {
        "image": image.name,
        "origin": image.origin,
        "size_bytes": image.size_bytes,
        "id": image.id,
        "named_by": list(users[image.name]),
    }


def _short(paths: Sequence[str]) -> str:
    here = f"{Path.cwd()}/"
    return ", ".join(path.removeprefix(here) for path in paths)


def _size(image: LocalImage) -> str:
    return f"{image.size_bytes / 1e6:.0f} MB" if image.id else ""
