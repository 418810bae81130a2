"""Images that the engine runs: the account's own from its ECR by digest, others by name.

The engine pulls from the sandbox's registry at 127.0.0.1, to which it speaks plain HTTP
without being told. An image of another registry that the engine already has is used as it
is: so a machine without a network works on what was prepared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sandbox.aws.ports import ImageResolver, ResolvedImage
from sandbox.aws.runtime.port import ImagePullError
from sandbox.container_engine import Client, NotFoundError, Unreachable, explanation
from sandbox.errors import AwsError

BUILDPACK_LABEL = "sandbox.buildpack"
"""Borne by images that `sandbox image build` made for the process runtime."""
_FAILED = "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
_HUB = "docker.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccess:
    """How the engine reaches the account's ECR."""

    host: str
    """`127.0.0.1:<port>`."""
    account_id: str
    password: Callable[[], str]
    """Makes a fresh one for the user `AWS`, as `aws ecr get-login-password` does."""


class EngineImages:
    """The images of one engine. Thread-safe: it keeps nothing."""

    def __init__(self, client: Client, resolver: ImageResolver, registry: RegistryAccess) -> None:
        self._client = client
        self._resolver = resolver
        self._registry = registry

    def pull(self, image: str, digest: str) -> str:
        """Make the image's content local; return its digest.

        Raises:
            ImagePullError: it does not exist, cannot be had, or no engine can run it.

        """
        if self._resolver.owns(image):
            return self._pull_own(image, digest)
        return self._pull_public(image, digest)

    def local(self, image: str, digest: str) -> Mapping[str, Any] | None:
        """Return the engine's record of a pulled image, or None where it has none."""
        if self._resolver.owns(image):
            found = self._resolved(image, digest)
            return self._inspect(f"{self._own_repository(found)}@{found.digest}")
        if not digest:
            return self._inspect(image)
        # What came from a registry has its digest; what was built or loaded here, an id.
        return self._inspect(f"{_split(image)[0]}@{digest}") or self._inspect(digest)

    def _resolved(self, image: str, digest: str) -> ResolvedImage:
        try:
            return self._resolver.resolve(f"{_split(image)[0]}@{digest}" if digest else image)
        except AwsError as error:
            raise ImagePullError(
                f"{_FAILED}failed to resolve ref {image}: {image}: not found ({error.message})"
            ) from error

    def _own_repository(self, image: ResolvedImage) -> str:
        ecr = f"{self._registry.account_id}.dkr.ecr.{image.region}.amazonaws.com"
        return f"{self._registry.host}/{ecr}/{image.repository_name}"

    def _pull_own(self, image: str, digest: str) -> str:
        found = self._resolved(image, digest)
        repository = self._own_repository(found)
        name = f"{repository}@{found.digest}"
        login = {"username": "AWS", "password": self._registry.password()}
        local = self._inspect(name) or self._fetch(image, repository, found.digest, login)
        _require_whole(image, local)
        return found.digest

    def _pull_public(self, image: str, digest: str) -> str:
        local = self.local(image, digest)
        if local is None:
            repository, version = _split(image)
            local = self._fetch(image, repository, digest or version, None)
        return digest or _digest(local, _split(image)[0])

    def _fetch(
        self, image: str, repository: str, version: str, login: Mapping[str, str] | None
    ) -> Mapping[str, Any]:
        """Pull `repository` at a tag or digest; return the engine's record of it."""
        failed = f"{_FAILED}failed to resolve ref {_in_full(image)}: "
        try:
            for event in self._client.pull(
                repository, tag=version, auth_config=login, stream=True, decode=True
            ):
                if "error" in event:
                    raise ImagePullError(f"{failed}{event['error']}")
        except NotFoundError as error:
            raise ImagePullError(f"{failed}{_in_full(image)}: not found") from error
        except Unreachable as error:
            raise ImagePullError(f"{failed}{explanation(error)}") from error
        joint = "@" if ":" in version else ":"
        found = self._inspect(f"{repository}{joint}{version}")
        if found is None:
            raise ImagePullError(f"{failed}{_in_full(image)}: not found")
        return found

    def _inspect(self, name: str) -> Mapping[str, Any] | None:
        try:
            return cast("Mapping[str, Any]", self._client.inspect_image(name))
        except NotFoundError:
            return None


def exposed_ports(record: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the TCP ports that an image says it listens on."""
    exposed = _config(record).get("ExposedPorts") or {}
    return tuple(int(port.partition("/")[0]) for port in exposed if not port.endswith("/udp"))


def _require_whole(image: str, record: Mapping[str, Any]) -> None:
    labels = _config(record).get("Labels") or {}
    if BUILDPACK_LABEL in labels:
        raise ImagePullError(
            f"CannotPullContainerError: {image} was built by `sandbox image build` for the "
            "process runtime and holds no operating system: build it with Docker, or start the "
            "sandbox with SANDBOX_ENGINE=process"
        )


def _config(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", record.get("Config") or {})


def _split(image: str) -> tuple[str, str]:
    """Return the repository and its digest or tag; `latest` where neither is given."""
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    return repository, digest or tag or "latest"


def _digest(record: Mapping[str, Any], repository: str) -> str:
    """Return the digest under which a registry knows the image, else the engine's own id."""
    for name in record.get("RepoDigests") or ():
        known, _, digest = str(name).partition("@")
        if known == repository:
            return digest
    return str(record["Id"])


def _in_full(image: str) -> str:
    """Return the reference as the container agent reports it: with registry and tag."""
    first, slash, _ = image.partition("/")
    named = "@" in image or ":" in image.rpartition("/")[2]
    full = image if named else f"{image}:latest"
    if slash and ("." in first or ":" in first or first == "localhost"):
        return full
    return _HUB + (full if slash else f"library/{full}")
