"""What the engine's answers mean; the documents are as engine 20.10 gives them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.aws.runtime.docker import labels
from sandbox.aws.runtime.docker.observations import (
    container_observation,
    fingerprint,
    task_observation,
)
from sandbox.aws.runtime.port import ContainerObservation, ContainerState, HealthStatus

NEVER = "0001-01-01T00:00:00Z"


def inspected(status: str, **state: Any) -> dict[str, Any]:
    own = {labels.CONTAINER: "web", labels.DIGEST: "sha256:1"}
    return {
        "Id": "c1",
        "Config": {"Labels": own},
        "State": {
            "Status": status,
            "ExitCode": 0,
            "StartedAt": "2026-11-23T19:30:00.123456789Z",
            "FinishedAt": NEVER,
            **state,
        },
    }


def test_created_container_never_started() -> None:
    seen = container_observation(inspected("created", StartedAt=NEVER))
    assert (seen.state, seen.exit_code, seen.started_at) == (ContainerState.CREATED, None, None)


def test_running_container_has_no_end() -> None:
    seen = container_observation(inspected("running"))
    assert (seen.state, seen.exit_code, seen.finished_at) == (ContainerState.RUNNING, None, None)
    assert seen.started_at == datetime(2026, 11, 23, 19, 30, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"ExitCode": 3}, ""),
        (
            {"ExitCode": 137, "OOMKilled": True},
            "OutOfMemoryError: Container killed due to memory usage",
        ),
        ({"ExitCode": 128, "Error": "no space"}, "ContainerRuntimeError: no space"),
    ],
)
def test_ended_container_says_how(state: dict[str, Any], reason: str) -> None:
    seen = container_observation(inspected("exited", **state))
    assert seen.state is ContainerState.STOPPED
    assert (seen.exit_code, seen.reason) == (state["ExitCode"], reason)


@pytest.mark.parametrize(
    ("status", "health"),
    [("starting", "UNKNOWN"), ("healthy", "HEALTHY"), ("unhealthy", "UNHEALTHY")],
)
def test_health_is_in_the_words_of_ecs(status: str, health: str) -> None:
    seen = container_observation(inspected("running", Health={"Status": status}))
    assert seen.health is HealthStatus(health)


def test_row_is_looked_into_again_only_when_something_changed() -> None:
    def row(state: str, status: str) -> tuple[str, str]:
        return fingerprint({"State": state, "Status": status})

    assert row("running", "Up 3 seconds") == row("running", "Up 2 minutes")
    assert row("running", "Up 3 seconds (healthy)") != row("running", "Up 3 seconds (unhealthy)")
    assert row("running", "Up 3 seconds (health: starting)") != row("running", "Up 1 s (healthy)")
    assert row("running", "Up 3 seconds") != row("exited", "Exited (0) 1 second ago")


def holder(state: str = "running", **more: Any) -> dict[str, Any]:
    own = {
        labels.TASK: "arn",
        labels.CONTAINERS: json.dumps(["web", "side"]),
        labels.PORTS: json.dumps([80]),
    }
    networks = {"Networks": {"n": {"IPAddress": "172.18.0.2"}}}
    return {"Labels": own, "State": state, "NetworkSettings": networks, **more}


def container(name: str, state: ContainerState = ContainerState.RUNNING) -> ContainerObservation:
    return ContainerObservation(name=name, runtime_id=name, state=state)


BOTH = {name: container(name) for name in ("side", "web")}


def test_whole_task_is_seen_at_its_networks_address() -> None:
    seen = task_observation(holder(), BOTH)
    assert seen is not None
    assert (seen.address, seen.ports) == ("172.18.0.2", {80: 80})
    assert [c.name for c in seen.containers] == ["web", "side"], "as the definition orders them"


def test_published_ports_are_seen_on_loopback() -> None:
    seen = task_observation(holder(Ports=[{"PrivatePort": 80, "PublicPort": 49153}]), BOTH)
    assert seen is not None
    assert (seen.address, seen.ports) == ("127.0.0.1", {80: 49153})


def test_task_without_all_its_parts_is_not_there() -> None:
    assert task_observation(holder(), {"web": container("web")}) is None


@pytest.mark.parametrize(
    ("state", "is_there"), [(ContainerState.RUNNING, False), (ContainerState.STOPPED, True)]
)
def test_task_whose_network_ended_is_there_only_to_say_how_it_ended(
    state: ContainerState, *, is_there: bool
) -> None:
    parts = {name: container(name, state) for name in ("web", "side")}
    assert (task_observation(holder("exited"), parts) is not None) is is_there
