"""The connection to a Docker-API engine: where it is and whether it answers; no container here.

The engine is found as Docker's own command finds it: `DOCKER_HOST`, else the current context,
else the local socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import docker
import requests
from docker import errors
from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from sandbox.errors import DependencyError

CALL_TIMEOUT_S = 120
"""Making a container may wait for a busy disk; of tasks nothing takes longer."""
_PROBE_TIMEOUT_S = 5
_CONNECTIONS = 200
"""Each container whose log is followed holds one."""

EngineError = errors.APIError
"""The engine answered with an error; `explanation` is its text."""
NotFoundError = errors.NotFound
"""There is no such container, image or network."""
Unreachable = (errors.DockerException, requests.RequestException, OSError)
"""What may come of a call while the engine is away; includes `EngineError`."""

Client = Any
"""A `docker.APIClient`: thread-safe, answers with the engine's own JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself."""

    address: str
    version: str
    api_version: str
    architecture: str
    """`amd64`, `arm64`, ..."""
    operating_system: str
    cpus: int


def connect(
    environment: Mapping[str, str], *, timeout_s: float = CALL_TIMEOUT_S
) -> docker.DockerClient:
    """Return a client of the engine that `environment` names; the caller closes it.

    Args:
        environment: `DOCKER_HOST` and its kin are read from it; else the current context counts.
        timeout_s: how long the engine may stay silent during one call.

    Raises:
        DependencyError: none answers, or it may not be asked.

    """
    address = "the local Docker socket"
    try:
        arguments = cast("dict[str, Any]", kwargs_from_env(environment=dict(environment)))
        if "base_url" not in arguments:
            arguments |= ContextAPI.kwargs_from_context(environment=dict(environment))
        address = str(arguments.get("base_url") or address)
        # Asking for the version at once shows whether it answers.
        return docker.DockerClient(
            **arguments, version="auto", timeout=int(timeout_s), max_pool_size=_CONNECTIONS
        )
    except Unreachable as error:
        reason = _first_line(error)
        raise DependencyError(
            f"No container engine answers at {address}: {reason}", hint=_hint(reason)
        ) from error


def describe(client: Client) -> EngineInfo:
    """Ask the engine what it is."""
    version, info = client.version(), client.info()
    return EngineInfo(
        address=str(client.base_url).replace("http+docker://localhost", "the local socket"),
        version=str(version["Version"]),
        api_version=str(version["ApiVersion"]),
        architecture=str(version["Arch"]),
        operating_system=str(info.get("OperatingSystem") or ""),
        cpus=int(info.get("NCPU") or 1),
    )


def probe(environment: Mapping[str, str]) -> EngineInfo:
    """Return what the engine says of itself, asked with little patience.

    Raises:
        DependencyError: none answers, or it may not be asked.

    """
    client = connect(environment, timeout_s=_PROBE_TIMEOUT_S)
    try:
        return describe(client.api)
    except Unreachable as error:
        reason = _first_line(error)
        raise DependencyError(
            f"The container engine does not answer: {reason}", hint=_hint(reason)
        ) from error
    finally:
        client.close()


def explanation(error: Exception) -> str:
    """Return the engine's own words."""
    return str(getattr(error, "explanation", None) or _first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _hint(reason: str) -> str:
    if "Permission denied" in reason:
        return (
            "This user may not open the engine's socket: join its group, in Compose by "
            "DOCKER_GID=$(stat -c %g /var/run/docker.sock)."
        )
    return (
        "Start Docker (`dockerd`, or Docker Desktop), or set DOCKER_HOST. "
        "SANDBOX_ENGINE=process runs tasks without one."
    )
