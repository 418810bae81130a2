"""`ContainerRuntime` without a container engine: each container is a process of this host.

A task is a loopback address and a folder; a container is a program under its own shim
(`shim.py`), which goes on when the gateway dies. Only images of the sandbox's own builder
run. There is no isolation: programs share the host's files and user, an image's unpacked
root is shared by its containers, and CPU and memory sizes are not enforced.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from sandbox.aws.ports import ImageResolver
from sandbox.aws.runtime.log_pages import read_page
from sandbox.aws.runtime.port import (
    ContainerSpec,
    ContainerState,
    LogPage,
    StartError,
    TaskObservation,
    TaskSpec,
)
from sandbox.aws.runtime.process import shim
from sandbox.aws.runtime.process.addresses import Addresses, NoAddressError
from sandbox.aws.runtime.process.commands import Host, plan_launch
from sandbox.aws.runtime.process.images import ImageStore
from sandbox.aws.runtime.process.tasks import ContainerFolder, TaskFolder, TaskFolders, TaskRecord

_START_TIMEOUT_S = 20.0
_SITE = Path(__file__).parent / "site"


class ProcessRuntime:
    """See the module and the port.

    Args:
        root: its state directory; what runs is found there again after a restart.
        images: where images come from.
        network: the loopback range from which each task gets its address.

    """

    def __init__(
        self, *, root: Path, images: ImageResolver, network: str = "127.10.0.0/16"
    ) -> None:
        root = root.resolve()
        self._tasks = TaskFolders(root)
        self._images = ImageStore(root / "images", images)
        self._addresses = Addresses(root / "addresses", network)
        self._lock = threading.Lock()
        self._host = Host(caddy=_caddy(), python_path=str(_SITE))
        held = list(self._tasks.all())
        self._addresses.keep({task.record.spec.task_arn for task in held})
        self._images.prune({d for task in held for d in task.record.digests.values()})

    def pull(self, image: str, digest: str) -> str:
        """See the port."""
        return self._images.pull(image, digest)

    def create_task(self, spec: TaskSpec) -> TaskObservation:
        """See the port."""
        with self._lock:
            task = self._tasks.find(spec.task_arn) or self._create(spec)
        return task.observe()

    def start_container(self, task_arn: str, container_name: str) -> None:
        """See the port."""
        task = self._task(task_arn)
        container = task.container(container_name)
        if not container.is_claimed and not container.status():
            self._launch(task, container)
        status = container.status()
        if status.get("state") == "FAILED":
            raise StartError(f"CannotStartContainerError: {status['reason']}")

    def stop_container(self, task_arn: str, container_name: str, timeout_s: float) -> None:
        """See the port."""
        task = self._tasks.find(task_arn)
        if task is None:
            return
        container = task.container(container_name)
        shim_pid = container.shim_pid
        if shim_pid:
            (container.path / "stop").write_text(str(timeout_s))
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim_pid, signal.SIGTERM)
        elif not container.is_claimed and not container.status():
            container.end_unstarted()

    def remove_task(self, task_arn: str) -> None:
        """See the port. A container that still runs is killed."""
        with self._lock:
            task = self._tasks.find(task_arn)
            if task is None:
                return
            for container in task.containers():
                container.kill()
            self._tasks.remove(task)
            self._addresses.release(task.record.endpoint.address)

    def observe(self) -> tuple[TaskObservation, ...]:
        """See the port."""
        with self._lock:
            return tuple(task.observe() for task in self._tasks.all())

    def read_log(self, task_arn: str, container_name: str, offset_bytes: int) -> LogPage:
        """See the port. A page has about a mebibyte at most."""
        task = self._tasks.find(task_arn)
        if task is None:
            return LogPage(lines=(), next_offset=offset_bytes)
        return read_page(task.container(container_name).path / "output.log", offset_bytes)

    def close(self) -> None:
        """See the port: everything is in files and in other processes already."""

    def _task(self, task_arn: str) -> TaskFolder:
        task = self._tasks.find(task_arn)
        if task is None:
            raise StartError(f"CannotStartContainerError: no task {task_arn}")
        return task

    def _create(self, spec: TaskSpec) -> TaskFolder:
        digests = {c.name: c.image_digest or self._images.digest(c.image) for c in spec.containers}
        ports = {port for c in spec.containers for port in c.container_ports}
        for digest in digests.values():
            image = self._images.config(digest)
            ports.update(image.exposed_ports if image else ())
        try:
            endpoint = self._addresses.claim(spec.task_arn, sorted(ports))
        except NoAddressError as error:
            raise StartError(f"CannotStartContainerError: {error}") from error
        record = TaskRecord(spec=spec, endpoint=endpoint, digests=digests)
        return self._tasks.create(record)

    def _launch(self, task: TaskFolder, container: ContainerFolder) -> None:
        spec = _container_spec(task, container.name)
        image = self._images.config(task.record.digests[container.name])
        if image is None:
            raise StartError(f"CannotStartContainerError: image {spec.image} was not pulled")
        launch = plan_launch(
            spec, image, task.record.endpoint, folder=container.path, host=self._host
        )
        for path, text in launch.files.items():
            path.write_text(text)
        shim.write_json(str(container.path / "launch.json"), launch.as_json())
        _start_shim(container.path)
        if not container.status():
            log = (container.path / "shim.log").read_text(errors="replace")
            raise StartError(f"CannotStartContainerError: its shim did not start: {log[-500:]}")


def stop_all_tasks(root: Path, *, timeout_s: float = 10.0) -> None:
    """Stop every container under the runtime's `root` and wait until all have ended.

    Tasks stay known, as stopped, so that a later start of the sandbox sees how they ended.
    """
    if not (root / "tasks").is_dir():
        return
    containers = [c for task in TaskFolders(root).all() for c in task.containers()]
    for container in containers:
        if shim_pid := container.shim_pid:
            (container.path / "stop").write_text(str(timeout_s / 2))
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim_pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while any(c.observe().state is ContainerState.RUNNING for c in containers):
        if time.monotonic() > deadline:
            break
        select.select([], [], [], 0.05)
    for container in containers:
        container.kill()


def _container_spec(task: TaskFolder, name: str) -> ContainerSpec:
    return next(c for c in task.record.spec.containers if c.name == name)


def _start_shim(folder: Path) -> None:
    """Start the container's shim and wait until it said how the program started."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-I", "-S", "-E", shim.__file__, str(folder), str(write_end)]
    with (folder / "shim.log").open("wb") as log:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={},
            pass_fds=[write_end],
            start_new_session=True,
        )
    os.close(write_end)
    started.wait()
    # The shim closes its end once it has written the container's status.
    select.select([read_end], [], [], _START_TIMEOUT_S)
    os.close(read_end)


def _caddy() -> str:
    """Return the static file server: the one installed beside this Python, else PATH's."""
    beside = Path(sys.executable).parent / "caddy"
    return str(beside) if beside.exists() else shutil.which("caddy") or ""
