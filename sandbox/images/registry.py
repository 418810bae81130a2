"""Fetches an image from its registry through the engine, and tells soon that none answers."""

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from sandbox.errors import SandboxError
from sandbox.images.build import Say
from sandbox.images.references import registry_of

SILENCE_S = 10
"""A registry that lets the engine wait longer than this counts as not reachable."""


class RegistryAwayError(SandboxError):
    """No registry answers; another way may help."""


def pull(client: docker.DockerClient, name: str, say: Say) -> None:
    """Fetch `name`.

    Args:
        client: its timeout bounds the registry's first silence: make it with `SILENCE_S`.
        name: with its tag.
        say: gets lines of progress.

    Raises:
        RegistryAwayError: the registry does not answer.
        SandboxError: it answers, and refuses.
    """
    registry = registry_of(name)
    _require_answer(client, name)
    try:
        for row in client.api.pull(name, stream=True, decode=True):
            if "error" in row:
                raise _failure(registry, name, str(row["error"]))
            say(f"{row.get('id', '')} {row.get('status', '')} {row.get('progress', '')}")
    except NotFound as error:
        raise SandboxError(
            f"{name}: the registry {registry} has no such image.",
            hint="Correct the name in the Dockerfile, or log in where it is private.",
        ) from error
    except APIError as error:
        raise _failure(registry, name, str(error.explanation or error)) from error
    except (DockerException, RequestException) as error:
        raise RegistryAwayError(f"{registry} went away: {error}") from error


def _require_answer(client: docker.DockerClient, name: str) -> None:
    """Ask for the image's digest first: unlike a pull, that obeys the client's timeout.

    A registry that says no has answered; the pull tells why.
    """
    registry = registry_of(name)
    try:
        client.images.get_registry_data(name)
    except APIError as error:
        failure = _failure(registry, name, str(error.explanation or error))
        if isinstance(failure, RegistryAwayError) and not isinstance(error, NotFound):
            raise failure from error
    except (DockerException, RequestException) as error:
        waited = f"{client.api.timeout} s"
        raise RegistryAwayError(f"{registry} does not answer within {waited}") from error


def _failure(registry: str, name: str, message: str) -> SandboxError:
    """Tell a registry that refuses from one that is away."""
    lowered = message.lower()
    refused = (
        "toomanyrequests",
        "unauthorized",
        "denied",
        "manifest unknown",
        "no matching",
        "credentials",
    )
    if any(word in lowered for word in refused):
        return SandboxError(
            f"{name}: {registry} answers: {message}",
            hint="`docker login` may help; `--stand-in` does without the registry.",
        )
    # The engine tells the whole chain of causes; the last one is what a person can mend.
    return RegistryAwayError(f"{registry} does not answer: {message.rpartition(': ')[2]}")
