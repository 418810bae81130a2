"""Where this process is on the sandbox's network."""

from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from sandbox.aws.runtime.docker.labels import Owner
from sandbox.aws.runtime.docker.network import ensure_network, own_container, remove_networks

OWNER = Owner(id="f" * 32, home="/state")


class Engine:
    """One network, as an engine describes it."""

    def __init__(self, gateway: str = "127.0.0.1", **containers: str) -> None:
        self.gateway = gateway
        self.containers = containers
        self.removed: list[str] = []
        self.members: dict[str, object] = {}

    def inspect_network(self, name: str) -> dict[str, Any]:
        config = [{"Subnet": "fd00::/64"}, {"Subnet": "127.0.0.0/8", "Gateway": self.gateway}]
        members = dict(self.members)
        return {"Id": "n1", "Name": name, "IPAM": {"Config": config}, "Containers": members}

    def inspect_container(self, name: str) -> dict[str, Any]:
        if name not in self.containers:
            raise NotFound("no such container")
        return {"Id": self.containers[name]}

    def networks(self, **_: object) -> list[dict[str, str]]:
        return [{"Id": "n1"}]

    def disconnect_container_from_network(self, member: str, _: str, *, force: bool) -> None:
        assert force
        del self.members[member]

    def remove_network(self, name: str) -> None:
        assert not self.members, "the engine refuses to remove a network in use"
        self.removed.append(name)


def test_host_that_owns_the_bridge_is_on_the_network_by_its_address() -> None:
    network = ensure_network(Engine("127.0.0.1"), OWNER)
    assert network.own_address == "127.0.0.1"
    assert str(network.subnet) == "127.0.0.0/8", "the first that is IPv4"


def test_host_beside_the_bridge_is_not_on_the_network() -> None:
    assert ensure_network(Engine("203.0.113.1"), OWNER).own_address == ""


@pytest.mark.parametrize(
    ("marked", "containers", "expected"),
    [
        (True, {"abc123": "abc123def"}, "abc123def"),
        (True, {"abc123": "another-by-that-name"}, ""),
        (True, {}, ""),
        (False, {"abc123": "abc123def"}, ""),
    ],
    ids=["in-a-container", "of-another-engine", "unknown", "not-in-one"],
)
def test_own_container_is_known_by_its_id(
    tmp_path: Path, containers: dict[str, str], expected: str, *, marked: bool
) -> None:
    mark = tmp_path / "dockerenv"
    if marked:
        mark.touch()
    assert own_container(Engine(**containers), "abc123", mark) == expected


def test_network_is_removed_from_under_a_gateway_that_is_still_on_it() -> None:
    engine = Engine()
    engine.members = {"gateway": {}}
    remove_networks(engine, OWNER)
    assert engine.removed == ["n1"]
