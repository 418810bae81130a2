"""`ContainerRuntime` on a Docker-API engine: a task is containers that share one network.

Nothing is kept in memory that the engine does not know: what runs is found by label
(`labels.py`), so a new process goes on where the last one was killed. A task's address is
its holder's on the sandbox's own bridge, or 127.0.0.1 with published ports where this host
cannot reach the bridge.
"""

import logging
import math
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.aws.ports import ImageResolver
from sandbox.aws.runtime.docker import documents, labels
from sandbox.aws.runtime.docker.forwarder import Forwarder
from sandbox.aws.runtime.docker.holder import ensure_image
from sandbox.aws.runtime.docker.images import EngineImages, RegistryAccess, exposed_ports
from sandbox.aws.runtime.docker.labels import Owner
from sandbox.aws.runtime.docker.logs import LogFiles
from sandbox.aws.runtime.docker.network import HOST_NAME, ensure_network
from sandbox.aws.runtime.docker.observations import (
    container_observation,
    fingerprint,
    task_observation,
)
from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerSpec,
    ContainerState,
    ImagePullError,
    LogPage,
    StartError,
    TaskObservation,
    TaskSpec,
)
from sandbox.container_engine import (
    Client,
    EngineError,
    NotFoundError,
    Unreachable,
    describe,
    explanation,
)

_CONFLICT = 409
_STOP_AGAIN_S = 2.0

log = logging.getLogger(__name__)


class DockerRuntime:
    """See the module and the port.

    Args:
        client: the engine; closed by `close`.
        owner: the sandbox to which everything belongs.
        root: where containers' output is kept.
        images: the account's ECR.
        registry: how the engine reaches it.
        reaches_containers: whether this host can reach a container's address; None: find out.

    """

    def __init__(
        self,
        *,
        client: Client,
        owner: Owner,
        root: Path,
        images: ImageResolver,
        registry: RegistryAccess,
        reaches_containers: bool | None = None,
    ) -> None:
        self._client = client
        self._owner = owner
        self._images = EngineImages(client, images, registry)
        self._network = ensure_network(client, owner)
        own = self._network.own_address
        direct = bool(own) if reaches_containers is None else reaches_containers
        self._place = documents.Place(
            owner=owner,
            network=owner.network_name,
            cpus=describe(client).cpus,
            publishes=not direct,
            # An engine that is elsewhere knows the way to the host that its users mean.
            extra_hosts=(f"{HOST_NAME}:{own or 'host-gateway'}",),
        )
        self._logs = LogFiles(client, root / "logs")
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._seen: dict[str, tuple[tuple[str, str], ContainerObservation]] = {}
        self._sweep()

    def endpoint(self, port: int) -> str:
        """Return the URL by which tasks reach this host's `port`; see `forwarder`."""
        return f"http://{self._network.own_address or HOST_NAME}:{port}"

    def forwarder(self, port: int) -> Forwarder | None:
        """Return what opens 127.0.0.1:`port` to the tasks; None where the engine does that."""
        if not self._network.own_address:
            return None
        return Forwarder(
            listen=(self._network.own_address, port),
            target=("127.0.0.1", port),
            allowed=self._network.subnet,
        )

    def pull(self, image: str, digest: str) -> str:
        """See the port."""
        return self._images.pull(image, digest)

    def create_task(self, spec: TaskSpec) -> TaskObservation:
        """See the port.

        Raises:
            StartError: the engine refuses a container, or an image was not pulled.

        """
        try:
            found = {c.name: self._images.local(c.image, c.image_digest) for c in spec.containers}
            holder_id = self._start_holder(spec, found)
            for container in spec.containers:
                self._create(spec, container, found[container.name], holder_id)
        except ImagePullError as error:  # it was deleted since it was pulled
            raise StartError(str(error)) from error
        except EngineError as error:
            raise StartError(
                f"CannotCreateContainerError: Error response from daemon: {explanation(error)}"
            ) from error
        made = self._observe_tasks(task_arn=spec.task_arn)
        if not made:
            raise StartError("CannotCreateContainerError: the task's containers are gone")
        return made[0]

    def start_container(self, task_arn: str, container_name: str) -> None:
        """See the port. A container that has ended is not started again."""
        name = documents.container_name(self._owner, task_arn, container_name)
        try:
            if self._client.inspect_container(name)["State"]["Status"] == "created":
                self._client.start(name)
        except EngineError as error:
            raise StartError(
                f"CannotStartContainerError: Error response from daemon: {explanation(error)}"
            ) from error

    def stop_container(self, task_arn: str, container_name: str, timeout_s: float) -> None:
        """See the port; the engine sends the image's own stop signal, as ECS does."""
        name = documents.container_name(self._owner, task_arn, container_name)
        threading.Thread(
            target=self._stop, args=(name, math.ceil(timeout_s)), name=f"stop-{name}", daemon=True
        ).start()

    def remove_task(self, task_arn: str) -> None:
        """See the port. A container that still runs is killed."""
        rows = self._rows(task_arn=task_arn)
        for row in sorted(rows, key=_is_holder):
            remove_container(self._client, row["Id"])
            self._logs.discard(row["Id"])
            with self._lock:
                self._seen.pop(row["Id"], None)

    def observe(self) -> tuple[TaskObservation, ...]:
        """See the port."""
        return self._observe_tasks()

    def read_log(self, task_arn: str, container_name: str, offset_bytes: int) -> LogPage:
        """See the port. A page has about a mebibyte at most."""
        seen = self._find(task_arn, container_name)
        if seen is None or seen.state is ContainerState.CREATED:
            return LogPage(lines=(), next_offset=offset_bytes)
        ended = seen.state is ContainerState.STOPPED
        return self._logs.page(seen.runtime_id, offset_bytes, ended=ended)

    def close(self) -> None:
        """See the port."""
        self._closed.set()
        self._client.close()

    def _start_holder(self, spec: TaskSpec, found: Mapping[str, Mapping[str, Any] | None]) -> str:
        """Give the task its network; return the id of the container that holds it."""
        exposed = [port for record in found.values() for port in exposed_ports(record or {})]
        ports = documents.task_ports(spec, exposed)
        ensure_image(self._client)
        holder_id = self._make(
            documents.holder_name(self._owner, spec.task_arn),
            documents.holder_document(spec, ports, self._place),
        )
        self._client.start(holder_id)
        return holder_id

    def _create(
        self,
        task: TaskSpec,
        spec: ContainerSpec,
        record: Mapping[str, Any] | None,
        holder_id: str,
    ) -> None:
        if record is None:
            raise StartError(f"CannotCreateContainerError: image {spec.image} was not pulled")
        document = documents.container_document(
            task, spec, image=str(record["Id"]), holder_id=holder_id, place=self._place
        )
        self._make(documents.container_name(self._owner, task.task_arn, spec.name), document)

    def _make(self, name: str, document: Mapping[str, Any]) -> str:
        """Create the container, or find it where it was created before a crash."""
        try:
            return str(self._client.create_container_from_config(document, name=name)["Id"])
        except EngineError as error:
            if error.status_code != _CONFLICT:
                raise
        return str(self._client.inspect_container(name)["Id"])

    def _stop(self, name: str, timeout_s: int) -> None:
        """Stop the container; while the engine is away, try again."""
        while not self._closed.is_set():
            try:
                self._client.stop(name, timeout=timeout_s)
            except NotFoundError:
                return
            except Unreachable as error:
                log.warning("container_stop_failed", extra={"container": name, "error": str(error)})
                self._closed.wait(_STOP_AGAIN_S)
            else:
                return

    def _rows(self, **filters: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._client.containers(
            all=True, filters=self._owner.filters(**filters)
        )
        return rows

    def _observe_tasks(self, **filters: str) -> tuple[TaskObservation, ...]:
        holders: dict[str, Mapping[str, Any]] = {}
        containers: dict[str, dict[str, ContainerObservation]] = defaultdict(dict)
        for row in self._rows(**filters):
            own = labels.labels_of(row)
            if _is_holder(row):
                holders[own[labels.TASK]] = row
            elif observation := self._observation(row):
                containers[own[labels.TASK]][observation.name] = observation
        tasks = (task_observation(row, containers[arn]) for arn, row in holders.items())
        return tuple(task for task in tasks if task is not None)

    def _observation(self, row: Mapping[str, Any]) -> ContainerObservation | None:
        """Return what is true of a container; it is inspected only when its row changed."""
        key, now = str(row["Id"]), fingerprint(row)
        with self._lock:
            known = self._seen.get(key)
        if known is not None and known[0] == now:
            return known[1]
        try:
            observation = container_observation(self._client.inspect_container(key))
        except NotFoundError:
            return None
        with self._lock:
            self._seen[key] = (now, observation)
        return observation

    def _find(self, task_arn: str, container_name: str) -> ContainerObservation | None:
        """Return a container, even of a task that is no longer whole."""
        rows = [r for r in self._rows(task_arn=task_arn) if not _is_holder(r)]
        row = next(
            (r for r in rows if labels.labels_of(r)[labels.CONTAINER] == container_name), None
        )
        return None if row is None else self._observation(row)

    def _sweep(self) -> None:
        """Remove what a crash left half made or half removed; nobody makes anything yet."""
        rows = self._rows()
        self._logs.keep({str(row["Id"]) for row in rows})
        whole = {task.task_arn for task in self._observe_tasks()}
        for task_arn in {labels.labels_of(row)[labels.TASK] for row in rows} - whole:
            log.warning("broken_task_removed", extra={"task_arn": task_arn})
            self.remove_task(task_arn)


def remove_container(client: Client, container_id: str) -> None:
    """Remove a container with its anonymous volumes, killed when it runs; again is a no-op."""
    try:
        client.remove_container(container_id, v=True, force=True)
    except NotFoundError:
        pass
    except EngineError as error:
        if error.status_code != _CONFLICT:  # somebody is removing it already
            raise


def _is_holder(row: Mapping[str, Any]) -> bool:
    return labels.labels_of(row).get(labels.ROLE) == labels.NETWORK_ROLE
