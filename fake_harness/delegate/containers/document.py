"""From a step to the container that the engine is asked for; pure.

Source: Docker Engine API 1.41, ContainerCreate. The workspace is mounted at `/harness`, as on
Harness, and at its place on the delegate's host, so that paths that earlier steps wrote stay good.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fake_harness.delegate.containers.engine import STAGE_LABEL, TASK_LABEL
from fake_harness.delegate.results import JsonObject, StepFailedError

WORKSPACE = "/harness"
SCRATCH = "/tmp/engine"  # noqa: S108  (a mount point in a container)
"""Where a container finds the step's own files. Source: lite-engine mounts `/tmp/engine`."""

_QUANTITY = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>m|[kKMGT]i?|)")
_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContainer:
    """What a step asks of its container."""

    image: str
    task_id: str
    stage_id: str
    identifier: str
    """Of the step: other containers of the stage reach it under this name."""
    workspace: Path
    scratch: Path
    entry_point: Sequence[str] = ()
    """Empty for the image's own."""
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    privileged: bool = False
    memory: str = ""
    """As Harness writes it: `500Mi`, `2G`."""
    cpu: str = ""
    """`400m`, `0.5`, `2`."""
    port_bindings: Mapping[str, str] = field(default_factory=dict)
    """Port of the host -> port of the container."""


def container_document(
    wanted: StepContainer,
    *,
    network: str,
    hosts: Mapping[str, str],
    cpus: int,
    on_engine: Callable[[Path], Path] = Path,
) -> JsonObject:
    """Return the body of ContainerCreate.

    Args:
        wanted: the step's own wishes.
        network: of the stage.
        hosts: names that the container knows beside the other containers' own.
        cpus: of the engine; no container may ask for more.
        on_engine: where the engine finds a folder of the delegate.
    """
    folders = {on_engine(wanted.workspace): {WORKSPACE, str(wanted.workspace)}}
    folders[on_engine(wanted.scratch)] = {SCRATCH}
    limits: dict[str, object] = {}
    if wanted.memory:
        limits["Memory"] = limits["MemorySwap"] = int(quantity(wanted.memory))
    if wanted.cpu:
        limits["NanoCpus"] = int(min(quantity(wanted.cpu), cpus) * 10**9)
    ports = {f"{inner}/tcp": outer for outer, inner in wanted.port_bindings.items()}
    return {
        "Image": wanted.image,
        "Entrypoint": list(wanted.entry_point) or None,
        "Cmd": list(wanted.command) or None,
        "Env": [f"{name}={value}" for name, value in wanted.environment.items()],
        "WorkingDir": WORKSPACE,
        "User": wanted.user,
        "Labels": {TASK_LABEL: wanted.task_id, STAGE_LABEL: wanted.stage_id},
        "ExposedPorts": {port: {} for port in ports},
        "HostConfig": {
            "Binds": [f"{host}:{to}" for host, tos in folders.items() for to in sorted(tos)],
            "NetworkMode": network,
            "ExtraHosts": [f"{name}:{address}" for name, address in hosts.items()],
            "PortBindings": {
                port: [{"HostIp": "127.0.0.1", "HostPort": outer}] for port, outer in ports.items()
            },
            "Privileged": wanted.privileged,
            # Its lines are read back from the engine, whatever that does by default.
            "LogConfig": {"Type": "json-file"},
            "Init": True,
            **limits,
        },
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [wanted.identifier]}}},
    }


def quantity(text: str) -> float:
    """Read a quantity as Kubernetes and Harness write it.

    Raises:
        StepFailedError: it is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise StepFailedError(f"[{text}] is no quantity: 500Mi, 2G, 400m.", "INVALID_REQUEST")
    unit = match["unit"]
    factor = 0.001 if unit == "m" else (_UNITS | _BINARY)[unit]
    return float(match["number"]) * factor
