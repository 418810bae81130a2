"""What the engine's answers mean in the words of the port; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sandbox.aws.runtime.docker import labels
from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerState,
    HealthStatus,
    TaskObservation,
)
from sandbox.types import JsonObject

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""Source: ECS developer guide, "Stopped tasks error messages"; amazon-ecs-agent, errors.go."""
_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.RUNNING,
    "restarting": ContainerState.RUNNING,
    "removing": ContainerState.STOPPED,
    "exited": ContainerState.STOPPED,
    "dead": ContainerState.STOPPED,
}
_HEALTH = {"healthy": HealthStatus.HEALTHY, "unhealthy": HealthStatus.UNHEALTHY}


def fingerprint(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return what changes in a row of the container list when an observation changes."""
    text = str(row["Status"])
    return str(row["State"]), text[text.find("(") :] if "health" in text else ""


def container_observation(document: Mapping[str, Any]) -> ContainerObservation:
    """Return what is true of a container, from its inspection."""
    state: Mapping[str, Any] = document["State"]
    own: Mapping[str, str] = document["Config"]["Labels"]
    where = _STATES[state["Status"]]
    ended = where is ContainerState.STOPPED
    health = (state.get("Health") or {}).get("Status", "")
    return ContainerObservation(
        name=own[labels.CONTAINER],
        runtime_id=str(document["Id"]),
        state=where,
        exit_code=int(state["ExitCode"]) if ended else None,
        reason=_reason(state) if ended else "",
        health=_HEALTH.get(health, HealthStatus.UNKNOWN),
        image_digest=own.get(labels.DIGEST, ""),
        started_at=_time(state.get("StartedAt")),
        finished_at=_time(state.get("FinishedAt")) if ended else None,
    )


def task_observation(
    holder: Mapping[str, Any], containers: Mapping[str, ContainerObservation]
) -> TaskObservation | None:
    """Return the task that a holder's row and its containers make.

    None where it is not whole: it is being made or removed, or somebody removed a part, or
    its network is gone from under running containers.
    """
    own = labels.labels_of(holder)
    names = labels.names_in(own)
    if any(name not in containers for name in names):
        return None
    ordered = tuple(containers[name] for name in names)
    if holder["State"] != "running" and any(c.state is ContainerState.RUNNING for c in ordered):
        return None
    published = _published(holder.get("Ports") or ())
    return TaskObservation(
        task_arn=own[labels.TASK],
        address="127.0.0.1" if published else _address(holder),
        ports={port: published.get(port, port) for port in labels.ports_in(own)},
        containers=ordered,
    )


def _reason(state: Mapping[str, Any]) -> str:
    if state.get("OOMKilled"):
        return OUT_OF_MEMORY
    error = state.get("Error")
    return f"ContainerRuntimeError: {error}" if error else ""


def _published(ports: Sequence[JsonObject]) -> Mapping[int, int]:
    return {
        int(str(p["PrivatePort"])): int(str(p["PublicPort"])) for p in ports if p.get("PublicPort")
    }


def _address(holder: Mapping[str, Any]) -> str:
    networks = holder["NetworkSettings"]["Networks"]
    return next((str(n["IPAddress"]) for n in networks.values()), "")


def _time(text: object) -> datetime | None:
    """Return the engine's time; its zero means never."""
    if not text or str(text).startswith("0001-"):
        return None
    return datetime.fromisoformat(str(text))
