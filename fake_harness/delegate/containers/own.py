"""The container in which the delegate itself may run, as the engine beside it knows it.

Steps of such a delegate are its siblings: the engine mounts paths of its own machine, not the
delegate's, and the delegate has no address on the bridges that the engine makes.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from docker.errors import NotFound

from fake_harness.delegate.containers.engine import Client
from fake_harness.delegate.results import JsonObject, StepFailedError

_MARK = Path("/.dockerenv")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNetwork:
    """A network on which the delegate's container has an address."""

    name: str
    address: str
    subnet: IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the delegate is."""

    is_container: bool = False
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Path in the delegate's container -> path on the engine's machine."""
    network: OwnNetwork | None = None
    """None on the engine's machine itself, or where its network is shared."""

    def on_engine(self, path: Path) -> Path:
        """Return where the engine finds one of the delegate's folders.

        Raises:
            StepFailedError: the folder is in no volume, so that the engine cannot mount it.
        """
        if not self.is_container:
            return path
        inside = [target for target in self.mounts if path.is_relative_to(target)]
        if not inside:
            raise StepFailedError(
                f"Steps in containers need [{path}] in a volume: it is in the delegate's own "
                "container, where the engine cannot mount it from.",
                "CONFIGURATION_FAILURE",
            )
        nearest = max(inside, key=len)
        return Path(self.mounts[nearest]) / path.relative_to(nearest)


def surroundings(client: Client, hostname: str = "", mark: Path = _MARK) -> Surroundings:
    """Ask the engine for the container in which this process runs.

    A container that shares another's network bears the other's name: the two must then have
    the same volumes, as the parts of compose.yaml do.
    """
    hostname = hostname or socket.gethostname()
    if not mark.exists():
        return Surroundings()
    try:
        found = client.inspect_container(hostname)
    except NotFound:
        return Surroundings()
    # A container of another engine may bear the name of one of this engine's.
    if not str(found["Id"]).startswith(hostname):
        return Surroundings()
    return Surroundings(
        is_container=True,
        mounts={str(m["Destination"]): str(m["Source"]) for m in found["Mounts"] if m["Source"]},
        network=_network(client, found["NetworkSettings"]["Networks"]),
    )


def _network(client: Client, networks: Mapping[str, JsonObject]) -> OwnNetwork | None:
    for name, own in sorted(networks.items()):
        if own.get("IPAddress"):
            ranges = client.inspect_network(name)["IPAM"]["Config"]
            subnet = next(str(row["Subnet"]) for row in ranges if ":" not in row["Subnet"])
            address = str(own["IPAddress"])
            return OwnNetwork(name=name, address=address, subnet=IPv4Network(subnet))
    return None
