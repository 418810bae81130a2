"""Spellings of image names and registry paths; it does not look anything up."""

import re
from dataclasses import dataclass

from sandbox.aws.ecr.manifests import DIGEST
from sandbox.aws.names import is_aws_name

HOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryPath:
    """A repository as a client names it; `account_id` is empty when it named none."""

    account_id: str
    region: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """An image of some ECR registry: by digest when there is one, else by tag."""

    repository: RepositoryPath
    tag: str
    digest: str


def registry_host(account_id: str, region: str) -> str:
    """Return the host name that AWS gives a registry."""
    return f"{account_id}.dkr.ecr.{region}.amazonaws.com"


def client_registry(host: str, account_id: str, region: str, *, public_host: str) -> str:
    """Return the registry as the client that asks can reach it, in front of a repository's name.

    Args:
        host: by which the client reached us: where AWS's names lead here, they are answered.
        account_id: of the registry.
        region: of the repository.
        public_host: `host:port` of this endpoint, for every other client.

    """
    registry = registry_host(account_id, region)
    return registry if is_aws_name(host) else f"{public_host}/{registry}"


def parse_repository_path(path: str, *, host: str, default_region: str) -> RepositoryPath:
    """Read `[<ecr host>/]name`; without one, the request's own `host` may be an ECR host."""
    first, _, rest = path.partition("/")
    if rest and (match := HOST.fullmatch(first)):
        return RepositoryPath(account_id=match["account"], region=match["region"], name=rest)
    if match := HOST.fullmatch(host.partition(":")[0]):
        return RepositoryPath(account_id=match["account"], region=match["region"], name=path)
    return RepositoryPath(account_id="", region=default_region, name=path)


def parse_image_reference(
    reference: str, *, public_host: str, default_region: str
) -> ImageReference | None:
    """Read an image name that points into ECR; None when it names another registry."""
    rest, _, digest = reference.partition("@")
    tag = ""
    if ":" in rest.rpartition("/")[2]:
        rest, _, tag = rest.rpartition(":")
    if rest.startswith(f"{public_host}/"):
        rest = rest.removeprefix(f"{public_host}/")
    elif not HOST.fullmatch(rest.partition("/")[0]):
        return None
    if digest and not DIGEST.fullmatch(digest):
        return None
    path = parse_repository_path(rest, host="", default_region=default_region)
    return ImageReference(repository=path, tag=tag or ("" if digest else "latest"), digest=digest)
