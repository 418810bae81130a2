"""What the container engine says of images, and what it can; nothing is built or pushed."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import docker
from docker.errors import APIError, ImageNotFound

BUILD_TIMEOUT_S = 600
"""How long the engine may stay silent during a build, a push or an import."""
STAND_IN_LABEL = "sandbox.stand-in"
"""On a stand-in: the name that it stands for. Images built on it inherit the label."""
RECIPE_LABEL = "sandbox.stand-in.recipe"
"""On a stand-in: the digest of what it was made from."""

Origin = Literal["registry", "stand-in", "local", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """What the engine has under a name."""

    name: str
    origin: Origin
    id: str = ""
    size_bytes: int = 0
    recipe: str = ""


def look_up(client: docker.DockerClient, name: str) -> LocalImage:
    """Return what the engine has under `name`."""
    try:
        attributes = client.images.get(name).attrs
    except ImageNotFound:
        return LocalImage(name=name, origin="missing")
    labels = (attributes.get("Config") or {}).get("Labels") or {}
    origin: Origin = "registry" if attributes.get("RepoDigests") else "local"
    if labels.get(STAND_IN_LABEL) == name:
        origin = "stand-in"
    return LocalImage(
        name=name,
        origin=origin,
        id=str(attributes["Id"]),
        size_bytes=int(attributes["Size"]),
        recipe=str(labels.get(RECIPE_LABEL, "")) if origin == "stand-in" else "",
    )


def drop_nameless(client: docker.DockerClient, identifier: str) -> None:
    """Remove an image that no name means any more; one with a name, or in use, stays."""
    with suppress(ImageNotFound, APIError):
        if not client.images.get(identifier).tags:
            client.api.remove_image(identifier, noprune=True)


def has_buildkit(client: docker.DockerClient) -> bool:
    """Tell whether the engine builds with BuildKit when it is asked to.

    Source: Docker Engine API 1.39 (18.09), `POST /build`, `version=2`. Podman's API has none.
    """
    components = client.version().get("Components") or [{"Name": "Engine"}]
    major, _, minor = str(client.api.api_version).partition(".")
    return components[0].get("Name") == "Engine" and (int(major), int(minor)) >= (1, 39)
