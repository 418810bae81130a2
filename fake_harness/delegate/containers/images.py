"""Has a step's image on the engine before its container is made: present, or pulled.

A connector gives the registry and its credentials: `DockerRegistry`, or `Aws` for ECR.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from docker.errors import APIError, ImageNotFound, NotFound

from fake_harness.delegate.containers.engine import Client, explained
from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import aws_failures
from fake_harness.delegate.results import StepFailedError

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_HUB = frozenset({"index.docker.io", "registry.hub.docker.com", "docker.io", "hub.docker.com"})
_LAYERS = ("Pulling from", "Pull complete", "Status:", "Digest:")


def ensure_image(client: Client, context: StepContext) -> str:
    """Return what the engine calls the step's image, which it now has.

    `imagePullPolicy` is IfNotPresent where the step says nothing.

    Raises:
        StepFailedError: there is no such image, or the registry does not answer.
    """
    connector = _connector(context)
    name = full_name(context.text("image"), connector)
    policy = context.text("imagePullPolicy", "IfNotPresent")
    if policy != "Always" and _is_there(client, name):
        return name
    if policy == "Never":
        raise StepFailedError(f"Image [{name}] is not on the engine, and may not be pulled.")
    login: dict[str, str] | None = None
    # AWS's own spelling, or the `repositoryUri` of an ECR that serves all registries at one place.
    ecr = next(filter(None, map(_ECR.fullmatch, name.split("/")[:2])), None)
    if ecr:
        login, name = _ecr(name, ecr["region"])
    elif connector:
        login = _credentials(connector)
    _pull(client, context, name, login)
    return name


def full_name(image: str, connector: Mapping[str, object]) -> str:
    """Return the image with its tag, and with its connector's registry where it names none."""
    first, slash, _ = image.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host = urlsplit(str(connector.get("dockerRegistryUrl") or "")).netloc
    name = image if has_host or not host or host in _HUB else f"{host}/{image}"
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def _connector(context: StepContext) -> Mapping[str, object]:
    found = context.connectors.get(context.text("connectorRef", ""))
    spec = found.get("spec") if isinstance(found, Mapping) else None
    return spec if isinstance(spec, Mapping) else {}


def _credentials(connector: Mapping[str, object]) -> dict[str, str] | None:
    """Source: connector schema, DockerRegistry: `auth.type` is Anonymous or UsernamePassword."""
    auth = connector.get("auth")
    spec = auth.get("spec") if isinstance(auth, Mapping) else None
    if not isinstance(spec, Mapping) or not spec:
        return None
    user = str(spec.get("username") or spec.get("usernameRef") or "")
    return {"username": user, "password": str(spec.get("passwordRef") or "")}


def _ecr(name: str, region: str) -> tuple[dict[str, str], str]:
    """Return ECR's token, and the name at the endpoint that ECR tells."""
    import boto3

    with aws_failures():
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
    given = answer["authorizationData"][0]
    user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
    address = urlsplit(str(given["proxyEndpoint"])).netloc
    at_endpoint = name if name.startswith(f"{address}/") else f"{address}/{name}"
    is_aws = bool(_ECR.fullmatch(address))
    return {"username": user, "password": password}, name if is_aws else at_endpoint


def _is_there(client: Client, name: str) -> bool:
    try:
        client.inspect_image(name)
    except ImageNotFound:
        return False
    return True


def _pull(client: Client, context: StepContext, name: str, login: Mapping[str, str] | None) -> None:
    context.log(f"Pulling {name}")
    try:
        rows: Any = client.pull(name, auth_config=login, stream=True, decode=True)
        for row in rows:
            if "error" in row:
                raise StepFailedError(f"Image [{name}]: {row['error']}", "CONNECTIVITY")
            if str(row.get("status", "")).startswith(_LAYERS):
                context.log(f"{row.get('id', '')} {row['status']}".strip())
    except NotFound as error:
        raise StepFailedError(f"Image [{name}]: {explained(error)}", "APPLICATION_ERROR") from error
    except APIError as error:
        raise StepFailedError(
            f"Image [{name}] is not on the engine and its registry does not give it: "
            f"{explained(error)}",
            "CONNECTIVITY",
        ) from error
