"""The delegate's container engine, and what is found and removed there by label.

Labels are the truth: whoever finds a step's process dead removes its containers by them.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env

from fake_harness.delegate.results import StepFailedError

TASK_LABEL = "harness.delegate-task"
"""The delegate task whose step runs in the container."""
STAGE_LABEL = "harness.stage-execution"
"""The stage execution to which a container or a network belongs."""

Client = Any
"""A `docker.APIClient`: it answers with the engine's own JSON."""

_TIMEOUT_S = 600


def connect(environment: Mapping[str, str]) -> Client:
    """Return a client of the engine that `docker` itself would speak to.

    Raises:
        StepFailedError: none answers.
    """
    try:
        arguments = kwargs_from_env(environment=dict(environment))
        context = ContextAPI.get_current_context()
        if "base_url" not in arguments and context is not None and context.Host:
            arguments["base_url"] = context.Host
        return APIClient(**arguments, version="auto", timeout=_TIMEOUT_S)
    except (DockerException, OSError) as error:
        message = f"The container engine does not answer: {explained(error)}"
        raise StepFailedError(message, "CONNECTIVITY") from error


def remove_containers(client: Client, label: str, value: str) -> None:
    """Remove every container of a task or a stage, running or not. Safe to repeat."""
    for row in client.containers(all=True, filters={"label": f"{label}={value}"}):
        with suppress(APIError):  # somebody else removes it
            client.remove_container(row["Id"], force=True, v=True)


def remove_network(client: Client, name: str) -> None:
    """Remove a network unless a container still uses it. Safe to repeat."""
    with suppress(NotFound, APIError):
        client.remove_network(name)


def clear(environment: Mapping[str, str], task_id: str, network: str) -> None:
    """Remove what a step left whose process is dead; an engine that is away has nothing now."""
    with suppress(StepFailedError):
        client = connect(environment)
        remove_containers(client, TASK_LABEL, task_id)
        remove_network(client, network)


def explained(error: Exception) -> str:
    """Return the engine's own words."""
    text = str(getattr(error, "explanation", None) or error)
    return " ".join(text.split())
