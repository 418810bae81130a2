"""Container definitions as the task runner reads them: typed, overrides applied; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.records import TaskDefinition
from sandbox.aws.runtime.port import ContainerSpec, HealthCheck, Ulimit
from sandbox.clock import TimeScale
from sandbox.types import JsonObject

DEFAULT_STOP_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Where a container's output goes."""

    region: str
    group: str
    stream_prefix: str
    create_group: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDefinition:
    """One container of a task with its overrides."""

    name: str
    image: str
    essential: bool
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    """Environment variable to `valueFrom`."""
    working_directory: str
    user: str
    ports: tuple[int, ...]
    cpu: int
    memory: int | None
    memory_reservation: int | None
    read_only_root: bool
    health_check: HealthCheck | None
    """In AWS's seconds, not scaled."""
    depends_on: tuple[tuple[str, str], ...]
    """Container name and condition."""
    start_timeout_s: int | None
    stop_timeout_s: int
    log: LogTarget | None
    pins_digest: bool
    ulimits: tuple[Ulimit, ...] = ()
    init_process: bool = False
    added_capabilities: tuple[str, ...] = ()
    dropped_capabilities: tuple[str, ...] = ()
    docker_labels: Mapping[str, str] = field(default_factory=dict)


def container_definitions(
    definition: TaskDefinition, overrides: JsonObject
) -> tuple[ContainerDefinition, ...]:
    """Return the containers of a task definition with a task's overrides applied."""
    by_name = {p.text(o, "name"): o for o in p.members(overrides, "containerOverrides")}
    return tuple(
        _definition(document, by_name.get(p.text(document, "name"), {}))
        for document in p.members(definition.document, "containerDefinitions")
    )


def _definition(document: JsonObject, override: JsonObject) -> ContainerDefinition:
    environment = p.pairs(document, "environment", name="name", value="value")
    environment |= p.pairs(override, "environment", name="name", value="value")
    merged = {**document, **{k: v for k, v in override.items() if k != "environment"}}
    stop_timeout = p.integer(document, "stopTimeout")
    linux = p.member(document, "linuxParameters")
    capabilities = p.member(linux, "capabilities")
    return ContainerDefinition(
        name=p.text(document, "name"),
        image=p.text(document, "image"),
        essential=p.flag(document, "essential", default=True),
        entry_point=p.texts(document, "entryPoint"),
        command=p.texts(merged, "command"),
        environment=environment,
        secrets=p.pairs(document, "secrets", name="name", value="valueFrom"),
        working_directory=p.text(document, "workingDirectory"),
        user=p.text(document, "user"),
        ports=tuple(
            p.integer(m, "containerPort") or 0 for m in p.members(document, "portMappings")
        ),
        cpu=p.integer(merged, "cpu") or 0,
        memory=p.integer(merged, "memory"),
        memory_reservation=p.integer(merged, "memoryReservation"),
        read_only_root=p.flag(document, "readonlyRootFilesystem"),
        ulimits=_ulimits(document),
        init_process=p.flag(linux, "initProcessEnabled"),
        added_capabilities=p.texts(capabilities, "add"),
        dropped_capabilities=p.texts(capabilities, "drop"),
        docker_labels={k: str(v) for k, v in p.member(document, "dockerLabels").items()},
        health_check=_health_check(p.member(document, "healthCheck")),
        depends_on=tuple(
            (p.text(d, "containerName"), p.text(d, "condition"))
            for d in p.members(document, "dependsOn")
        ),
        start_timeout_s=p.integer(document, "startTimeout"),
        stop_timeout_s=DEFAULT_STOP_TIMEOUT_S if stop_timeout is None else stop_timeout,
        log=_log_target(p.member(document, "logConfiguration")),
        pins_digest=p.text(document, "versionConsistency") != "disabled",
    )


def _ulimits(document: JsonObject) -> tuple[Ulimit, ...]:
    return tuple(
        Ulimit(
            name=p.text(u, "name"),
            soft_limit=p.integer(u, "softLimit") or 0,
            hard_limit=p.integer(u, "hardLimit") or 0,
        )
        for u in p.members(document, "ulimits")
    )


def _health_check(document: JsonObject) -> HealthCheck | None:
    command = p.texts(document, "command")
    if not command or command == ("NONE",):
        return None
    return HealthCheck(
        command=command,
        interval_s=p.integer(document, "interval") or 30,
        timeout_s=p.integer(document, "timeout") or 5,
        retries=p.integer(document, "retries") or 3,
        start_period_s=p.integer(document, "startPeriod") or 0,
    )


def _log_target(document: JsonObject) -> LogTarget | None:
    if not document:
        return None
    options = p.member(document, "options")
    return LogTarget(
        region=p.text(options, "awslogs-region"),
        group=p.text(options, "awslogs-group"),
        stream_prefix=p.text(options, "awslogs-stream-prefix"),
        create_group=p.text(options, "awslogs-create-group").lower() == "true",
    )


def stream_name(log: LogTarget, container_name: str, task_id: str, runtime_id: str) -> str:
    """Return the log stream of a container.

    Source: ECS developer guide, "Send Amazon ECS logs to CloudWatch": prefix/container/task;
    without a prefix the stream is the container's runtime id.
    """
    if not log.stream_prefix:
        return runtime_id
    return f"{log.stream_prefix}/{container_name}/{task_id}"


def container_spec(
    definition: ContainerDefinition,
    *,
    digest: str,
    environment: Mapping[str, str],
    scale: TimeScale,
) -> ContainerSpec:
    """Return what the runtime needs, `environment` complete and secrets resolved in it."""
    return ContainerSpec(
        name=definition.name,
        image=definition.image,
        image_digest=digest,
        entry_point=definition.entry_point,
        command=definition.command,
        environment=environment,
        working_directory=definition.working_directory,
        user=definition.user,
        container_ports=definition.ports,
        cpu_units=definition.cpu,
        memory_mib=definition.memory or 0,
        memory_reservation_mib=definition.memory_reservation or 0,
        read_only_root=definition.read_only_root,
        ulimits=definition.ulimits,
        init_process=definition.init_process,
        added_capabilities=definition.added_capabilities,
        dropped_capabilities=definition.dropped_capabilities,
        docker_labels=definition.docker_labels,
        health_check=_scaled(definition.health_check, scale),
        stop_timeout_s=definition.stop_timeout_s,
    )


def _scaled(check: HealthCheck | None, scale: TimeScale) -> HealthCheck | None:
    """Shorten the waits; the time that a probe or a start may really take stays."""
    if check is None:
        return None
    return HealthCheck(
        command=check.command,
        interval_s=scale.shorten(check.interval_s),
        timeout_s=check.timeout_s,
        retries=check.retries,
        start_period_s=check.start_period_s,
    )
