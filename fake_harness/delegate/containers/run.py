"""Runs one container of a step from its image to its end; its output is the step's log."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from docker.errors import APIError, NotFound

from fake_harness.delegate.containers.document import StepContainer, container_document
from fake_harness.delegate.containers.engine import (
    TASK_LABEL,
    Client,
    connect,
    explained,
    remove_containers,
)
from fake_harness.delegate.containers.give_back import TRUST, give_back, is_needed
from fake_harness.delegate.containers.images import ensure_image
from fake_harness.delegate.containers.network import StageNetwork, network_name, stage_network
from fake_harness.delegate.containers.own import Surroundings, surroundings
from fake_harness.delegate.context import CONTAINER_FILE, StepContext, write_whole
from fake_harness.delegate.results import JsonObject, StepFailedError

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEnd:
    """How a container ended."""

    exit_code: int
    is_out_of_memory: bool


def run_container(
    context: StepContext, wanted: StepContainer, *, started: Callable[[], None]
) -> ContainerEnd:
    """Run a container to its end; none is left, however that comes.

    Args:
        context: of the step.
        wanted: what is to run; its image is the step's `image` as the engine calls it.
        started: called once the container runs.

    Raises:
        StepFailedError: the image cannot be had, the engine cannot mount the workspace, or it
            refuses the container.
    """
    client = connect(context.facts.environment)
    # For whoever finds this process dead: it may have a container, on this network.
    write_whole(context.task_dir / CONTAINER_FILE, network_name(wanted.stage_id))
    where = surroundings(client)
    wanted = replace(wanted, image=ensure_image(client, context))
    # The container's user may be any; the workspace is the stage's own, below a private folder.
    wanted.workspace.chmod(0o777)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _in_network(context, client, wanted, where, started)
        except NotFound as error:
            # A step that ended just now took the stage's network along, as nothing used it yet.
            if "network" not in explained(error) or attempt == _ATTEMPTS:
                raise _refused(error) from error
        except APIError as error:
            raise _refused(error) from error
    raise AssertionError  # the last attempt returned or raised


def _in_network(
    context: StepContext,
    client: Client,
    wanted: StepContainer,
    where: Surroundings,
    started: Callable[[], None],
) -> ContainerEnd:
    environment = context.facts.environment
    with stage_network(client, wanted.stage_id, environment, where.network) as network:
        try:
            document = _document(client, wanted, where, network)
            identifier = _start(client, document, network)
            started()
            for line in _lines(client.logs(identifier, stream=True, follow=True)):
                context.log(line)
            end = _end_of(client, identifier)
            if is_needed(wanted.user):
                give_back(client, context, document)
            return end
        finally:
            remove_containers(client, TASK_LABEL, wanted.task_id)


def _refused(error: APIError) -> StepFailedError:
    return StepFailedError(f"The container engine refuses: {explained(error)}")


def _document(
    client: Client, wanted: StepContainer, where: Surroundings, network: StageNetwork
) -> JsonObject:
    trust = TRUST if is_needed(wanted.user) else {}
    environment = {**trust, **network.environment, **wanted.environment}
    return container_document(
        replace(wanted, environment=environment),
        network=network.name,
        hosts=network.hosts,
        cpus=int(client.info()["NCPU"]),
        on_engine=where.on_engine,
    )


def _start(client: Client, document: JsonObject, network: StageNetwork) -> str:
    identifier = str(client.create_container_from_config(document)["Id"])
    if network.also:
        client.connect_container_to_network(identifier, network.also)
    client.start(identifier)
    return identifier


def _end_of(client: Client, identifier: str) -> ContainerEnd:
    code = int(client.wait(identifier)["StatusCode"])
    state = client.inspect_container(identifier)["State"]
    return ContainerEnd(exit_code=code, is_out_of_memory=bool(state.get("OOMKilled")))


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
