"""What the engine is asked to create for a task: pure, from its spec to the API's own JSON.

Every container joins the network of the task's holder (`holder.py`), so `localhost` works
between them as it does in `awsvpc` mode.

Limits: each container gets its own hard memory limit, or the task's where it names none;
its CPU is capped by the task's and weighed by its own `cpu`, as on Fargate. The engine has
no limit for a group of containers: several that name no memory limit may together exceed
the task's.
Source: ECS developer guide, "Task definition parameters for Fargate".
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.aws.runtime.docker import labels
from sandbox.aws.runtime.docker.holder import IMAGE
from sandbox.aws.runtime.docker.labels import Owner
from sandbox.aws.runtime.port import ContainerSpec, HealthCheck, TaskSpec, Ulimit
from sandbox.types import JsonObject

_MIB = 1024 * 1024
_NANOS = 1_000_000_000
_MIN_SHARES = 2
"""What the engine takes for "none". Source: ECS API Reference, ContainerDefinition.cpu."""
_MIN_MEMORY_MIB = 6
"""Source: ECS API Reference, ContainerDefinition.memory ("at least 6 MiB")."""
_LOG = {"Type": "json-file", "Config": {"max-size": "1t"}}
"""One file that never rotates, whatever the engine's default: followers count its lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sandbox's tasks live on the engine."""

    owner: Owner
    network: str
    cpus: int
    """Processors of the engine: no more can be asked for."""
    publishes: bool
    """Ports are published on this machine's 127.0.0.1, as containers cannot be reached."""
    extra_hosts: tuple[str, ...] = ()
    """`name:address` lines of every task's /etc/hosts."""


def holder_name(owner: Owner, task_arn: str) -> str:
    """Return the name of the container that holds the task's network."""
    return _name(owner, task_arn, "network")


def container_name(owner: Owner, task_arn: str, name: str) -> str:
    """Return the name of one of the task's containers; labels are the truth, not names."""
    return _name(owner, task_arn, f"c-{name}")


def task_ports(spec: TaskSpec, exposed: Iterable[int]) -> tuple[int, ...]:
    """Return every port of the task: those that it maps, and those that its images expose."""
    return tuple(sorted({*exposed, *(p for c in spec.containers for p in c.container_ports)}))


def holder_document(spec: TaskSpec, ports: Sequence[int], place: Place) -> JsonObject:
    """Return the container that gives the task its address."""
    own = {
        **place.owner.labels,
        labels.ROLE: labels.NETWORK_ROLE,
        labels.TASK: spec.task_arn,
        labels.CONTAINERS: json.dumps([c.name for c in spec.containers]),
        labels.PORTS: json.dumps(list(ports)),
    }
    published: Mapping[str, object] = {
        f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]
        for port in (ports if place.publishes else ())
    }
    return {
        "Image": IMAGE,
        "Hostname": f"ip-{_short(spec.task_arn)}",
        "Labels": own,
        "ExposedPorts": {port: {} for port in published},
        "HostConfig": {
            "NetworkMode": place.network,
            "PortBindings": published,
            "ExtraHosts": list(place.extra_hosts),
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "none"},
        },
    }


def container_document(
    task: TaskSpec, spec: ContainerSpec, *, image: str, holder_id: str, place: Place
) -> JsonObject:
    """Return one container of a task; `image` is what the engine calls its content."""
    own = {
        **spec.docker_labels,
        **task.labels,
        **place.owner.labels,
        labels.ROLE: labels.CONTAINER_ROLE,
        labels.TASK: task.task_arn,
        labels.CONTAINER: spec.name,
        labels.DIGEST: spec.image_digest,
        "com.amazonaws.ecs.cluster": task.cluster,
        "com.amazonaws.ecs.container-name": spec.name,
        "com.amazonaws.ecs.task-arn": task.task_arn,
        "com.amazonaws.ecs.task-definition-family": task.family,
    }
    return {
        "Image": image,
        # An entry point of the task leaves out the image's command, as `docker run` does.
        "Entrypoint": list(spec.entry_point) or None,
        "Cmd": list(spec.command) or None,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "WorkingDir": spec.working_directory,
        "User": spec.user,
        "Labels": own,
        "Healthcheck": _health_check(spec.health_check),
        "HostConfig": {
            "NetworkMode": f"container:{holder_id}",
            "LogConfig": _LOG,
            "ReadonlyRootfs": spec.read_only_root,
            "Init": spec.init_process,
            "CapAdd": list(spec.added_capabilities),
            "CapDrop": list(spec.dropped_capabilities),
            "Ulimits": _ulimits(spec.ulimits),
            **_limits(task, spec, place.cpus),
        },
    }


def _limits(task: TaskSpec, spec: ContainerSpec, cpus: int) -> JsonObject:
    limits: dict[str, object] = {"CpuShares": max(spec.cpu_units, _MIN_SHARES)}
    if task.cpu_units:
        limits["NanoCpus"] = min(task.cpu_units * _NANOS // 1024, cpus * _NANOS)
    memory = spec.memory_mib or task.memory_mib
    if memory:
        size = max(memory, _MIN_MEMORY_MIB) * _MIB
        # As much swap as memory means none: Fargate has none.
        limits |= {"Memory": size, "MemorySwap": size}
    if spec.memory_reservation_mib:
        limits["MemoryReservation"] = spec.memory_reservation_mib * _MIB
    return limits


def _ulimits(given: Sequence[Ulimit]) -> list[JsonObject]:
    """Return the limits asked for; without any the engine's own hold (Fargate: 65535 files)."""
    return [{"Name": u.name, "Soft": u.soft_limit, "Hard": u.hard_limit} for u in given]


def _health_check(check: HealthCheck | None) -> JsonObject:
    """Return the task definition's own check: as on ECS, the image's is never used."""
    if check is None or not check.command or check.command[0] == "NONE":
        return {"Test": ["NONE"]}
    return {
        "Test": list(check.command),
        "Interval": _nanos(check.interval_s),
        "Timeout": _nanos(check.timeout_s),
        "Retries": check.retries,
        "StartPeriod": _nanos(check.start_period_s),
    }


def _nanos(seconds: float) -> int:
    """Return the time as the engine takes it: none at all, or a millisecond and more."""
    return max(int(seconds * _NANOS), _NANOS // 1000) if seconds else 0


def _name(owner: Owner, task_arn: str, suffix: str) -> str:
    cluster = re.sub(r"[^A-Za-z0-9_.-]", "-", task_arn.split("/")[-2])
    unique = hashlib.sha256(f"{owner.id}\n{task_arn}".encode()).hexdigest()[:8]
    return f"sbx-{cluster}-{_short(task_arn)}-{unique}-{suffix}"


def _short(task_arn: str) -> str:
    return task_arn.rpartition("/")[2][:8]
