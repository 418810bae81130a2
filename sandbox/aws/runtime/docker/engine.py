"""The connection to a Docker-API engine: where it is and whether it answers; no container here.

The only module that imports the Docker client. The engine is found as Docker's own command
finds it: `DOCKER_HOST`, else the current context, else the local socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from docker import APIClient, errors
from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from sandbox.errors import DependencyError

CALL_TIMEOUT_S = 120
"""Making a container may wait for a busy disk; nothing else takes so long."""
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


def connect(environment: Mapping[str, str], *, timeout_s: int = CALL_TIMEOUT_S) -> Client:
    """Return a client of the engine that `environment` names; the caller closes it.

    Raises:
        DependencyError: none answers.

    """
    address = "the Docker engine"
    try:
        arguments = kwargs_from_env(environment=dict(environment))
        if "base_url" not in arguments:
            arguments |= ContextAPI.kwargs_from_context(environment=dict(environment))
        address = str(arguments.get("base_url") or "the local Docker socket")
        return APIClient(**arguments, version="auto", timeout=timeout_s, max_pool_size=_CONNECTIONS)
    except Unreachable as error:
        raise DependencyError(
            f"No Docker-API engine answers at {address}: {_first_line(error)}",
            hint="Start Docker, or choose the other runtime: SANDBOX_ENGINE=process.",
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
        DependencyError: none answers, or it runs no Linux containers.

    """
    client = connect(environment, timeout_s=_PROBE_TIMEOUT_S)
    try:
        found = describe(client)
    except Unreachable as error:
        raise DependencyError(
            f"The Docker engine does not answer: {_first_line(error)}",
            hint="Start Docker again, or choose the other runtime: SANDBOX_ENGINE=process.",
        ) from error
    finally:
        client.close()
    return found


def explanation(error: Exception) -> str:
    """Return the engine's own words."""
    return str(getattr(error, "explanation", None) or _first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
