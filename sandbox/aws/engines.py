"""Which container engine runs tasks: chosen once, remembered while the sandbox is up, opened.

`auto` takes a Docker-API engine where one answers, else processes. The choice is kept in
the state directory until `sandbox down`, so that a restart of any process never changes the
engine under running tasks: when a chosen engine is away, that is an error.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from sandbox.aws.ports import ImageResolver
from sandbox.aws.runtime.port import ContainerRuntime
from sandbox.errors import DependencyError
from sandbox.host import host_environment
from sandbox.settings import Settings

if TYPE_CHECKING:
    from sandbox.aws.gateway import Lifecycle

Choice = Literal["docker", "process", "fake"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A runtime, and what tasks on it need besides."""

    runtime: ContainerRuntime
    aws_endpoint: str = ""
    """Where tasks find AWS, if not where this host does."""
    loops: "tuple[Lifecycle, ...]" = ()


def settle_engine(settings: Settings) -> Settings:
    """Return the settings with an engine in place of `auto`, and remember it.

    The state directory must be there.

    Raises:
        DependencyError: the engine that was asked for or is in use does not answer.

    """
    chosen: Choice
    if settings.engine == "auto":
        chosen = remembered_engine(settings) or ("docker" if _docker_answers() else "process")
    else:
        chosen = settings.engine
    if chosen == "docker":
        from sandbox.container_engine import probe

        probe(host_environment())
    if chosen != remembered_engine(settings):
        draft = settings.engine_file.with_suffix(f".{os.getpid()}")
        draft.write_text(chosen)
        draft.rename(settings.engine_file)
    return settings.model_copy(update={"engine": chosen})


def remembered_engine(settings: Settings) -> Choice | None:
    """Return the engine that this sandbox uses; None while it is down."""
    try:
        return cast("Choice", settings.engine_file.read_text().strip())
    except OSError:
        return None


def open_engine(
    settings: Settings, images: ImageResolver, registry_password: Callable[[], str]
) -> Engine:
    """Open the engine that the settings name.

    Raises:
        DependencyError: it does not answer; nothing is downgraded in silence.

    """
    settings = settle_engine(settings)
    if settings.engine == "docker":
        return _open_docker(settings, images, registry_password)
    if settings.engine == "fake":
        from sandbox.aws.runtime.fake import FakeRuntime

        return Engine(runtime=FakeRuntime())
    from sandbox.aws.runtime.process import ProcessRuntime

    root = settings.aws_dir / "runtime"
    runtime = ProcessRuntime(root=root, images=images, network=settings.task_network)
    return Engine(runtime=runtime)


def stop_tasks(settings: Settings) -> str:
    """Stop every task on whatever engine it runs, and forget the choice.

    Returns what could not be stopped, because its engine is away; else nothing.
    """
    trouble = ""
    if (settings.aws_dir / "runtime").exists():
        from sandbox.aws.runtime.process import stop_all_tasks

        stop_all_tasks(settings.aws_dir / "runtime")
    if _docker_root(settings).exists():
        from sandbox.aws.runtime.docker import cleanup

        try:
            cleanup.stop_tasks(_docker_root(settings), host_environment())
        except DependencyError as error:
            if remembered_engine(settings) == "docker":
                trouble = f"{error.message}; tasks may be running there still."
    settings.engine_file.unlink(missing_ok=True)
    return trouble


def remove_tasks(settings: Settings) -> None:
    """Remove what this sandbox has on a container engine; nothing where it never used one.

    Raises:
        DependencyError: the engine does not answer; says how to remove it by hand.

    """
    if not _docker_root(settings).exists():
        return
    from sandbox.aws.runtime.docker import cleanup

    try:
        cleanup.remove_everything(_docker_root(settings), host_environment())
    except DependencyError as error:
        raise DependencyError(
            f"{error.message}; containers of this sandbox may be left there.",
            hint=f"Start Docker and repeat it, or delete {settings.home} and later run: "
            f"docker rm -f $(docker ps -aq --filter label=sandbox.home={settings.home})",
        ) from error


def describe_engine(settings: Settings, environment: Mapping[str, str]) -> tuple[str, bool]:
    """Return a sentence on the engine that is used, or would be, and whether it can be."""
    chosen = remembered_engine(settings) or settings.engine
    if chosen in {"process", "fake"}:
        return f"{chosen}: no container engine is used", True
    from sandbox.container_engine import probe

    try:
        found = probe(environment)
    except DependencyError as error:
        if chosen == "auto":
            return f"process: {error.message}", True
        return error.message, False
    return f"docker: {found.version} (API {found.api_version}) at {found.address}", True


def _docker_answers() -> bool:
    from sandbox.container_engine import probe

    try:
        probe(host_environment())
    except DependencyError:
        return False
    return True


def _open_docker(
    settings: Settings, images: ImageResolver, registry_password: Callable[[], str]
) -> Engine:
    from sandbox.aws.runtime.docker import DockerRuntime
    from sandbox.aws.runtime.docker.images import RegistryAccess
    from sandbox.aws.runtime.docker.labels import open_owner
    from sandbox.container_engine import connect

    root = _docker_root(settings)
    runtime = DockerRuntime(
        client=connect(host_environment()).api,
        owner=open_owner(root, settings.home),
        root=root,
        images=images,
        registry=RegistryAccess(
            host=f"127.0.0.1:{settings.aws_port}",
            account_id=settings.account_id,
            password=registry_password,
        ),
    )
    forwarder = runtime.forwarder(settings.aws_port) if settings.bind != "0.0.0.0" else None
    return Engine(
        runtime=runtime,
        aws_endpoint=runtime.endpoint(settings.aws_port),
        loops=(forwarder,) if forwarder else (),
    )


def _docker_root(settings: Settings) -> Path:
    return settings.aws_dir / "docker"
