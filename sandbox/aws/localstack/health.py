"""What a LocalStack says of itself; it forwards nothing."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.errors import DependencyError

HEALTH_PATH = "/_localstack/health"
ANSWER_S = 5
_ALONE = ("ecs", "ecr", "elbv2")
"""What the workshop needs and only a licensed LocalStack has."""


class UnreachableError(Exception):
    """No LocalStack answers; says what was seen instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStackHealth:
    """One answer of `/_localstack/health`."""

    version: str
    edition: str
    services: Mapping[str, str]
    """Service name to state: available | running | disabled | error | ..."""


def read_health(url: str) -> LocalStackHealth:
    """Ask the LocalStack at `url`.

    Goes past any proxy of the environment: the sandbox's own could not pass it on.

    Raises:
        UnreachableError: nothing answers there, or it is no LocalStack.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_S)
    try:
        connection.request("GET", HEALTH_PATH, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    return _parsed(status, body)


def _parsed(status: int, body: bytes) -> LocalStackHealth:
    try:
        page = json.loads(body)
        services = {str(name): str(state) for name, state in page["services"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"it answers {HEALTH_PATH} with HTTP {status} and no list of services"
        raise UnreachableError(what) from error
    return LocalStackHealth(
        version=str(page.get("version", "unknown")),
        edition=str(page.get("edition", "unknown")),
        services=services,
    )


def require_localstack(url: str, *, alone: bool) -> LocalStackHealth:
    """Check that the LocalStack which the settings name can be used.

    Args:
        url: where it listens.
        alone: it must have all that the workshop needs, with nothing of ours before it.

    Raises:
        DependencyError: it does not answer, or lacks services.
    """
    try:
        found = read_health(url)
    except UnreachableError as error:
        raise DependencyError(
            f"No LocalStack answers at {url}: {error}.",
            hint="Start it on a port of its own (4566 is the sandbox's), for instance with "
            "GATEWAY_LISTEN=127.0.0.1:4568 or docker run -p 127.0.0.1:4568:4566, and name it "
            "by SANDBOX_LOCALSTACK_URL; or use `sandbox up --aws local`.",
        ) from error
    lacking = [name for name in _ALONE if found.services.get(name) not in {"available", "running"}]
    if alone and lacking:
        raise DependencyError(
            f"The LocalStack at {url} (version {found.version}, edition {found.edition}) has no "
            f"{', '.join(lacking)}.",
            hint="Those need a licensed LocalStack (LOCALSTACK_AUTH_TOKEN). `sandbox up --aws "
            "localstack` uses this one and answers for the rest.",
        )
    return found
