"""Pushes images from the engine to ECR with ECR's own token; it builds nothing.

The token goes with each request (`X-Registry-Auth`): ~/.docker/config.json is not touched.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.push import EcrLogin
from sandbox.images.build import Say
from sandbox.images.engine import drop_nameless

_SHOWN = ("Pushed", "Layer already exists", "Mounted from")


def pushed_name(registry: str, repository: str, login: EcrLogin) -> str:
    """Return the name under which the engine reaches a repository.

    AWS's own registry is its endpoint; the local one serves all registries at one address,
    so theirs is a part of the path (docs/architecture.md, spellings of an image reference).
    """
    address = urlsplit(login.endpoint).netloc
    prefix = "" if address == registry else f"{address}/"
    return f"{prefix}{registry}/{repository}"


def push(
    client: docker.DockerClient,
    image: Image,
    name: str,
    tags: Sequence[str],
    login: EcrLogin,
    say: Say,
) -> str:
    """Push an image under every tag; return the manifest's digest. Safe to repeat.

    Raises:
        BuildFailedError: the registry refused; carries its words.
    """
    digest = ""
    login_row = {"username": login.user, "password": login.password}
    for tag in tags:
        try:
            image.tag(name, tag)
            rows = client.api.push(name, tag=tag, auth_config=login_row, stream=True, decode=True)
            digest = _followed(rows, say) or digest
        except (APIError, DockerException) as error:
            raise BuildFailedError(f"push to {name}:{tag} failed: {error}") from error
        say(f"{name}:{tag} {digest}")
    return digest


def keep_layers(client: docker.DockerClient, image: Image, name: str) -> None:
    """Keep the latest image of a repository under a name of the engine's own.

    With it stay the layers that later builds and pulls share; its predecessor goes.
    """
    own = f"sandbox-cache/{name.partition('/')[2]}"
    try:
        earlier = str(client.images.get(f"{own}:latest").id)
    except ImageNotFound:
        earlier = ""
    image.tag(own, "latest")
    if earlier:
        drop_nameless(client, earlier)


def forget(client: docker.DockerClient, name: str, tags: Sequence[str]) -> None:
    """Take the registry's names off the engine: what was pushed is there, the rest is void."""
    for tag in tags:
        with suppress(ImageNotFound, APIError):  # gone already, or a container holds it
            client.api.remove_image(f"{name}:{tag}", noprune=True)


def _followed(rows: Sequence[Mapping[str, object]], say: Say) -> str:
    """Say what a push tells; return the digest."""
    digest = ""
    for row in rows:
        if "error" in row:
            raise BuildFailedError(f"push was refused: {str(row['error']).strip()}")
        status = str(row.get("status", ""))
        if status.startswith(_SHOWN):
            say(f"layer {row.get('id', '')}: {status}")
        aux = row.get("aux")
        if isinstance(aux, Mapping):
            digest = str(aux.get("Digest", digest))
    return digest
