"""The labels by which a sandbox finds what is its own on an engine that others use too.

    sandbox.id                    the state directory's random id: the claim
    sandbox.home                  the state directory, for people
    sandbox.ecs.role              network (holds the task's address) | container
    sandbox.ecs.task-arn          the task
    sandbox.ecs.container         the container's name in the task definition
    sandbox.ecs.image-digest      what it runs
    sandbox.ecs.containers        on the network holder: every container of the task
    sandbox.ecs.ports             on the network holder: every port of the task

Containers bear the labels of the real ECS agent too (`com.amazonaws.ecs.*`).
Source: ECS developer guide, "Amazon ECS container agent configuration" (agent labels).
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sandbox.types import JsonObject

ID = "sandbox.id"
HOME = "sandbox.home"
ROLE = "sandbox.ecs.role"
TASK = "sandbox.ecs.task-arn"
CONTAINER = "sandbox.ecs.container"
DIGEST = "sandbox.ecs.image-digest"
CONTAINERS = "sandbox.ecs.containers"
PORTS = "sandbox.ecs.ports"
NETWORK_ROLE = "network"
CONTAINER_ROLE = "container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The sandbox to which containers belong."""

    id: str
    home: str

    @property
    def labels(self) -> dict[str, str]:
        """Return what everything of this sandbox bears."""
        return {ID: self.id, HOME: self.home}

    @property
    def network_name(self) -> str:
        """Return the name of the network that its tasks share."""
        return f"sandbox-{self.id[:12]}"

    def filters(self, **labels: str) -> dict[str, list[str]]:
        """Return the engine's filter for what is this sandbox's own."""
        named = {"task_arn": TASK, "role": ROLE}
        extra = [f"{named[name]}={value}" for name, value in labels.items()]
        return {"label": [f"{ID}={self.id}", *extra]}


def open_owner(root: Path, home: Path) -> Owner:
    """Return the owner whose id is kept under `root`; a new one the first time."""
    found = find_owner(root, home)
    if found is None:
        root.mkdir(parents=True, exist_ok=True)
        draft = root / "id.new"
        draft.write_text(uuid.uuid4().hex)
        draft.rename(root / "id")
        found = find_owner(root, home)
    return cast("Owner", found)


def find_owner(root: Path, home: Path) -> Owner | None:
    """Return the owner whose id is kept under `root`, or None where none ever was."""
    try:
        return Owner(id=(root / "id").read_text().strip(), home=str(home))
    except FileNotFoundError:
        return None


def labels_of(document: JsonObject) -> Mapping[str, str]:
    """Return the labels of a row of the engine's container list."""
    return cast("Mapping[str, str]", document.get("Labels") or {})


def names_in(labels: Mapping[str, str]) -> Sequence[str]:
    """Return the containers that a task has, as its network holder says."""
    return cast("Sequence[str]", json.loads(labels.get(CONTAINERS, "[]")))


def ports_in(labels: Mapping[str, str]) -> Sequence[int]:
    """Return the ports that a task has, as its network holder says."""
    return cast("Sequence[int]", json.loads(labels.get(PORTS, "[]")))
