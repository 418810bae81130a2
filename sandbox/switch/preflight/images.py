"""Base images of the Dockerfiles, asked from their registries without pulling them.

Source: OCI distribution-spec 1.1; Docker registry token authentication.
"""

import re
from collections.abc import Mapping

import requests

from sandbox.switch.preflight.line import Line, blocked, ok, warning
from sandbox.switch.preflight.needs import Needs

_TIMEOUT_S = 10
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_HUB = "registry-1.docker.io"
_FIELD = re.compile(r'(\w+)="([^"]*)"')


def check_images(session: requests.Session, needs: Needs) -> list[Line]:
    """Tell which base images do not exist, or cannot be seen without a login."""
    return [_check(session, image, files) for image, files in sorted(needs.base_images.items())]


def place_of(image: str) -> tuple[str, str, str]:
    """Return registry, repository and reference of an image name as Docker reads it."""
    name, _, digest = image.partition("@")
    tag = "latest"
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = _HUB, name if rest else f"library/{name}"
    return (_HUB if registry == "docker.io" else registry), repository, digest or tag


def _check(session: requests.Session, image: str, files: tuple[str, ...]) -> Line:
    check = f"base image: {image}"
    shown = ", ".join(files)
    if "$" in image:
        return warning(check, f"{shown}: its name comes from a build argument", "Check it by hand.")
    registry, repository, reference = place_of(image)
    try:
        status = _status(session, registry, repository, reference)
    except requests.RequestException as error:
        mend = f"Ask again where {registry} can be reached: builds pull from there."
        return warning(check, f"not known: {type(error).__name__} at {registry}", mend)
    if status == requests.codes.ok:
        return ok(check, f"in {registry}")
    if status == requests.codes.not_found:
        return blocked(check, f"{shown}: {registry} has no such image", "Mend the FROM line.")
    mend = "Give the build a connector that logs in there (spec.baseImageConnectorRefs)."
    return warning(check, f"{shown}: {registry} answers {status} without a login", mend)


def _status(session: requests.Session, registry: str, repository: str, reference: str) -> int:
    url = f"https://{registry}/v2/{repository}/manifests/{reference}"
    headers = {"Accept": ", ".join(_MANIFESTS)}
    answer = session.head(url, headers=headers, timeout=_TIMEOUT_S)
    challenge = answer.headers.get("WWW-Authenticate", "")
    if answer.status_code != requests.codes.unauthorized or not challenge.startswith("Bearer "):
        return answer.status_code
    token = _token(session, dict(_FIELD.findall(challenge)), repository)
    if not token:
        return answer.status_code
    headers["Authorization"] = f"Bearer {token}"
    return session.head(url, headers=headers, timeout=_TIMEOUT_S).status_code


def _token(session: requests.Session, challenge: Mapping[str, str], repository: str) -> str:
    scope = challenge.get("scope", f"repository:{repository}:pull")
    params = {"service": challenge.get("service", ""), "scope": scope}
    answer = session.get(challenge.get("realm", ""), params=params, timeout=_TIMEOUT_S)
    if not answer.ok:
        return ""
    body = answer.json()
    return str(body.get("token") or body.get("access_token") or "")
