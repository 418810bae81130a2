"""What the engine is asked to create: limits, commands, labels, names."""

from typing import Any

import pytest

from sandbox.aws.runtime.docker import documents, labels
from sandbox.aws.runtime.docker.documents import Place, container_document, holder_document
from sandbox.aws.runtime.docker.labels import Owner
from sandbox.aws.runtime.port import ContainerSpec, HealthCheck, TaskSpec

ARN = f"arn:aws:ecs:us-east-1:000000000000:task/dev/{'d' * 32}"
OWNER = Owner(id="f" * 32, home="/home/ada/state")
PLACE = Place(owner=OWNER, network="n", cpus=2, publishes=False)
MIB = 1024 * 1024


def task(*containers: ContainerSpec, **more: Any) -> TaskSpec:
    return TaskSpec(task_arn=ARN, cluster="dev", family="web", containers=containers, **more)


def document(spec: ContainerSpec, **more: Any) -> Any:
    return container_document(task(spec, **more), spec, image="i", holder_id="h", place=PLACE)


def web(**more: Any) -> ContainerSpec:
    return ContainerSpec(**{"name": "web", "image": "nginx", **more})


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    [
        (web(), {}, {}),
        (web(), {"memory_mib": 512}, {"Memory": 512 * MIB, "MemorySwap": 512 * MIB}),
        (
            web(memory_mib=128),
            {"memory_mib": 512},
            {"Memory": 128 * MIB, "MemorySwap": 128 * MIB},
        ),
        (
            web(memory_reservation_mib=64),
            {"memory_mib": 512},
            {"Memory": 512 * MIB, "MemorySwap": 512 * MIB, "MemoryReservation": 64 * MIB},
        ),
        (web(memory_mib=4), {}, {"Memory": 6 * MIB, "MemorySwap": 6 * MIB}),
    ],
    ids=["none", "task", "container", "reservation", "least"],
)
def test_memory_is_the_containers_own_else_the_tasks(
    spec: ContainerSpec, size: dict[str, int], expected: dict[str, int]
) -> None:
    config = document(spec, **size)["HostConfig"]
    assert {k: v for k, v in config.items() if k.startswith("Memory")} == expected


@pytest.mark.parametrize(
    ("units", "nanos"), [(0, None), (256, 250_000_000), (1024, 10**9), (4096, 2 * 10**9)]
)
def test_processor_is_capped_by_the_tasks_size_and_the_machine(
    units: int, nanos: int | None
) -> None:
    assert document(web(), cpu_units=units)["HostConfig"].get("NanoCpus") == nanos


@pytest.mark.parametrize(("units", "shares"), [(0, 2), (1, 2), (512, 512)])
def test_container_cpu_is_its_weight(units: int, shares: int) -> None:
    assert document(web(cpu_units=units))["HostConfig"]["CpuShares"] == shares


def test_what_is_not_said_is_left_to_the_image() -> None:
    made = document(web())
    assert (made["Entrypoint"], made["Cmd"], made["User"]) == (None, None, "")


def test_health_check_of_the_image_is_never_used() -> None:
    assert document(web())["Healthcheck"] == {"Test": ["NONE"]}
    check = HealthCheck(command=("CMD-SHELL", "true"), interval_s=0.0001, start_period_s=0)
    made = document(web(health_check=check))["Healthcheck"]
    assert made["Test"] == ["CMD-SHELL", "true"]
    assert (made["Interval"], made["StartPeriod"]) == (1_000_000, 0), "at least a millisecond"


def test_own_labels_cannot_be_taken_over() -> None:
    made = document(web(docker_labels={"team": "x", labels.ID: "another"}))["Labels"]
    assert made["team"] == "x"
    assert made[labels.ID] == OWNER.id
    assert made["com.amazonaws.ecs.task-arn"] == made[labels.TASK] == ARN


def test_holder_knows_the_whole_task() -> None:
    spec = task(web(container_ports=(80,)), web(name="side"))
    ports = documents.task_ports(spec, exposed=[9000, 80])
    own = holder_document(spec, ports, PLACE)["Labels"]
    assert isinstance(own, dict)
    assert list(labels.names_in(own)) == ["web", "side"]
    assert list(labels.ports_in(own)) == [80, 9000]


def test_ports_are_published_on_loopback_only_and_only_where_they_must_be() -> None:
    spec = task(web(container_ports=(80,)))
    near: Any = holder_document(spec, (80,), PLACE)
    assert near["HostConfig"]["PortBindings"] == {}
    far = Place(owner=OWNER, network="n", cpus=2, publishes=True)
    made: Any = holder_document(spec, (80,), far)
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]
    }


def test_names_tell_tasks_and_sandboxes_apart() -> None:
    other = Owner(id="e" * 32, home=OWNER.home)
    names = {
        documents.container_name(OWNER, ARN, "web"),
        documents.container_name(OWNER, ARN[:-1] + "e", "web"),
        documents.container_name(other, ARN, "web"),
        documents.container_name(OWNER, ARN, "network"),
        documents.holder_name(OWNER, ARN),
    }
    assert len(names) == 5
    assert all(name.startswith("sbx-dev-dddddddd-") for name in names)
