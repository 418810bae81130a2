"""What a task definition must be, and its stored form with AWS's defaults; pure.

Source: ECS developer guide, "Task definition parameters for Fargate" and "Fargate task sizes";
wording as the AWS CLI and Terraform report it. `Unverified:` marks wording that is ours.
"""

import re
from collections.abc import Iterable, Mapping

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.exceptions import client_exception
from sandbox.errors import not_implemented
from sandbox.types import JsonObject

_GIB = 1024
FARGATE_SIZES: Mapping[int, frozenset[int]] = {
    256: frozenset({512, 1 * _GIB, 2 * _GIB}),
    512: frozenset(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: frozenset(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: frozenset(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: frozenset(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: frozenset(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: frozenset(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}
MAX_CONTAINERS = 10
MAX_STOP_TIMEOUT_S = 120

_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ECR_IMAGE = re.compile(r"(^|/)\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/")
_SIZE = re.compile(r"\s*(\d*\.?\d+)\s*(vcpu|gb)?\s*", re.IGNORECASE)
_NOT_BUILT = ("proxyConfiguration", "inferenceAccelerators", "volumes")
_NOT_BUILT_IN_CONTAINER = (
    "mountPoints",
    "volumesFrom",
    "environmentFiles",
    "firelensConfiguration",
    "repositoryCredentials",
    "resourceRequirements",
    "restartPolicy",
    "links",
)
_KEPT = (
    "taskRoleArn",
    "executionRoleArn",
    "pidMode",
    "ipcMode",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
)


def task_definition_document(params: JsonObject) -> dict[str, object]:
    """Check a RegisterTaskDefinition request and return the document to keep.

    Raises:
        AwsError: ClientException in AWS's words; NotImplemented for what no runtime honours.

    """
    _check_supported(params)
    family = p.text(params, "family")
    if not _FAMILY.fullmatch(family):
        # Unverified: wording.
        raise client_exception(f"Family contains invalid characters: {family!r}.")
    document: dict[str, object] = {key: params[key] for key in _KEPT if key in params}
    document.update(
        containerDefinitions=[_container(c) for c in p.members(params, "containerDefinitions")],
        placementConstraints=list(p.members(params, "placementConstraints")),
        volumes=[],
        **_size(params),
    )
    fargate = "FARGATE" in p.texts(params, "requiresCompatibilities")
    network_mode = p.text(params, "networkMode")
    if fargate:
        _check_fargate(document, network_mode)
    document["networkMode"] = network_mode or "bridge"
    document["compatibilities"] = _compatibilities(document)
    if "requiresCompatibilities" in params:
        document["requiresCompatibilities"] = list(p.texts(params, "requiresCompatibilities"))
    _check_containers(document)
    return document


def _check_supported(params: JsonObject) -> None:
    operation = "RegisterTaskDefinition"
    for key in _NOT_BUILT:
        if params.get(key):
            raise not_implemented("ecs", operation, key)
    for container in p.members(params, "containerDefinitions"):
        for key in _NOT_BUILT_IN_CONTAINER:
            if container.get(key):
                raise not_implemented("ecs", operation, f"containerDefinitions[].{key}")
        driver = p.text(p.member(container, "logConfiguration"), "logDriver", "awslogs")
        if driver != "awslogs":
            raise not_implemented("ecs", operation, f"logDriver {driver}")


def _container(given: JsonObject) -> dict[str, object]:
    kept: dict[str, object] = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }
    kept.update(given)
    kept["portMappings"] = [_port_mapping(m) for m in p.members(given, "portMappings")]
    if "healthCheck" in given:
        defaults = {"interval": 30, "timeout": 5, "retries": 3}
        kept["healthCheck"] = {**defaults, **p.member(given, "healthCheck")}
    return kept


def _port_mapping(given: JsonObject) -> dict[str, object]:
    if "containerPortRange" in given:
        raise not_implemented("ecs", "RegisterTaskDefinition", "containerPortRange")
    port = p.integer(given, "containerPort")
    kept: dict[str, object] = {"containerPort": port, "hostPort": port, "protocol": "tcp"}
    kept.update(given)
    return kept


def _size(params: JsonObject) -> dict[str, object]:
    size: dict[str, object] = {}
    for key, unit in (("cpu", "vcpu"), ("memory", "gb")):
        given = p.text(params, key)
        if given:
            size[key] = str(_units(given, key, unit))
    return size


def _units(given: str, key: str, unit: str) -> int:
    match = _SIZE.fullmatch(given)
    if match is None or (match[2] or unit).lower() != unit:
        raise client_exception(
            f"Invalid '{key}' setting for task. For more information, see the Troubleshooting "
            "section of the Amazon ECS Developer Guide."
        )
    return round(float(match[1]) * (1024 if match[2] else 1))


def _check_fargate(document: JsonObject, network_mode: str) -> None:
    for key in ("cpu", "memory"):
        if key not in document:
            raise client_exception(f"Fargate requires that '{key}' be defined at the task level.")
    if network_mode != "awsvpc":
        raise client_exception("Fargate only supports network mode ‘awsvpc’.")  # noqa: RUF001
    cpu, memory = int(p.text(document, "cpu")), int(p.text(document, "memory"))
    if memory not in FARGATE_SIZES.get(cpu, frozenset()):
        raise client_exception(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    if p.text(document, "pidMode") == "host":
        raise client_exception(
            "Tasks using the Fargate launch type do not support pidMode 'host'. The supported "
            "value for pidMode is 'task'."
        )
    if "executionRoleArn" not in document:
        _check_without_execution_role(p.members(document, "containerDefinitions"))


def _check_without_execution_role(containers: Iterable[JsonObject]) -> None:
    for container in containers:
        if p.text(p.member(container, "logConfiguration"), "logDriver") == "awslogs":
            raise client_exception(
                "Fargate requires task definition to have execution role ARN to support log "
                "driver awslogs."
            )
        if _ECR_IMAGE.search(p.text(container, "image")):
            raise client_exception(
                "Fargate requires task definition to have execution role ARN to support ECR images."
            )


def _compatibilities(document: JsonObject) -> list[str]:
    sized = "cpu" in document and "memory" in document
    if p.text(document, "networkMode") != "awsvpc" or not sized:
        return ["EC2"]
    cpu, memory = int(p.text(document, "cpu")), int(p.text(document, "memory"))
    return ["EC2", "FARGATE"] if memory in FARGATE_SIZES.get(cpu, frozenset()) else ["EC2"]


def _check_containers(document: JsonObject) -> None:
    containers = p.members(document, "containerDefinitions")
    if not containers:
        raise client_exception("Container list cannot be empty.")
    if len(containers) > MAX_CONTAINERS:
        # Source: ECS service quotas, "Containers per task definition". Unverified: wording.
        raise client_exception(
            f"A task definition can have at most {MAX_CONTAINERS} containers, not "
            f"{len(containers)}."
        )
    for container in containers:
        for key in ("name", "image"):
            if not p.text(container, key):
                raise client_exception(f"Container.{key} should not be null or empty.")
        _check_container(container, document)
    names = [p.text(c, "name") for c in containers]
    if len(set(names)) < len(names):
        # Unverified: wording.
        raise client_exception("Container names must be unique within a task definition.")
    if not any(p.flag(c, "essential") for c in containers):
        # Unverified: wording.
        raise client_exception("At least one container must be marked as essential.")
    _check_dependencies(containers)


def _check_container(container: JsonObject, document: JsonObject) -> None:
    name = p.text(container, "name")
    task_memory, task_cpu = p.text(document, "memory"), p.text(document, "cpu")
    memory, reserved = p.integer(container, "memory"), p.integer(container, "memoryReservation")
    if memory is None and reserved is None and not task_memory:
        raise client_exception(
            f"Invalid setting for container '{name}'. At least one of 'memory' or "
            "'memoryReservation' must be specified."
        )
    if task_memory and (memory or reserved or 0) > int(task_memory):
        raise client_exception("The 'memory' setting for container is greater than for the task.")
    if task_cpu and (p.integer(container, "cpu") or 0) > int(task_cpu):
        raise client_exception("The 'cpu' setting for container is greater than for the task.")
    if p.members(container, "secrets") and "executionRoleArn" not in document:
        raise client_exception(
            "When you are specifying container secrets, you must also specify a value for "
            "'executionRoleArn'."
        )
    if p.text(document, "networkMode") == "awsvpc":
        for mapping in p.members(container, "portMappings"):
            if p.integer(mapping, "hostPort") not in (0, p.integer(mapping, "containerPort")):
                raise client_exception(
                    "When networkMode=awsvpc, the host ports and container ports in port "
                    "mappings must match."
                )
    _check_times(container)


def _check_times(container: JsonObject) -> None:
    stop_timeout = p.integer(container, "stopTimeout")
    if stop_timeout is not None and stop_timeout > MAX_STOP_TIMEOUT_S:
        # Unverified: wording.
        raise client_exception(
            f"Invalid setting for container '{p.text(container, 'name')}'. The stopTimeout must "
            f"be at most {MAX_STOP_TIMEOUT_S} seconds."
        )
    options = p.member(p.member(container, "logConfiguration"), "options")
    if "logConfiguration" in container:
        for key in ("awslogs-group", "awslogs-region"):
            if not p.text(options, key):
                raise client_exception(f"Log driver awslogs requires options: {key}")


def _check_dependencies(containers: Iterable[JsonObject]) -> None:
    """Refuse an unknown dependency and a cycle. Unverified: wording."""
    graph = {
        p.text(c, "name"): {p.text(d, "containerName") for d in p.members(c, "dependsOn")}
        for c in containers
    }
    for name, needed in graph.items():
        unknown = needed - graph.keys()
        if unknown:
            raise client_exception(
                f"Container '{name}' depends on '{min(unknown)}', which is not in the task "
                "definition."
            )
    while graph:
        free = [name for name, needed in graph.items() if not needed & graph.keys()]
        if not free:
            raise client_exception("There is a cycle in the container dependencies.")
        for name in free:
            del graph[name]
