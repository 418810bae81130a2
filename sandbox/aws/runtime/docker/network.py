"""The bridge network of one sandbox: found or made, and where this process is on it.

On Linux this host has the bridge's own address. A gateway that is itself a container of the
engine joins the network. Otherwise (an engine in a virtual machine, or far away) it is not on
the network, and containers cannot be reached by their addresses.
"""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sandbox.aws.runtime.docker.labels import Owner
from sandbox.container_engine import Client, EngineError, NotFoundError, explanation
from sandbox.errors import DependencyError
from sandbox.types import JsonObject

_CONTAINER_MARK = Path("/.dockerenv")
HOST_NAME = "host.docker.internal"
"""How a container calls the machine of its engine, where this process is not on its network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as it is."""

    id: str
    subnet: ipaddress.IPv4Network
    own_address: str
    """This process's address on the network; empty where it is not on it."""


def ensure_network(client: Client, owner: Owner) -> Network:
    """Return the sandbox's network, made when it is missing.

    Raises:
        DependencyError: the engine has no address range left.

    """
    try:
        return _network(client, client.inspect_network(owner.network_name))
    except NotFoundError:
        pass
    try:
        client.create_network(
            owner.network_name, driver="bridge", check_duplicate=True, labels=owner.labels
        )
    except EngineError as error:
        raise DependencyError(
            f"The Docker engine makes no network for tasks: {explanation(error)}",
            hint="`docker network ls` shows what takes its address ranges; remove what is unused.",
        ) from error
    return _network(client, client.inspect_network(owner.network_name))


def remove_networks(client: Client, owner: Owner) -> None:
    """Remove the sandbox's network from whoever is still on it, and then itself."""
    for row in client.networks(filters=owner.filters()):
        for member in client.inspect_network(row["Id"]).get("Containers") or ():
            client.disconnect_container_from_network(member, row["Id"], force=True)
        client.remove_network(row["Id"])


def own_container(client: Client, hostname: str, mark: Path = _CONTAINER_MARK) -> str:
    """Return the id of the engine's container in which this process runs, or nothing."""
    if not mark.exists():
        return ""
    try:
        found = str(client.inspect_container(hostname)["Id"])
    except NotFoundError:
        return ""
    # A container of another engine may bear the name of one of this engine's.
    return found if found.startswith(hostname) else ""


def _network(client: Client, document: JsonObject) -> Network:
    settings = cast("Mapping[str, list[Mapping[str, str]]]", document["IPAM"])["Config"]
    (first, *_) = [c for c in settings if ":" not in c["Subnet"]]
    subnet = ipaddress.IPv4Network(first["Subnet"])
    gateway = first.get("Gateway") or str(subnet[1])
    own = gateway if _is_here(gateway) else _joined(client, str(document["Name"]))
    return Network(id=str(document["Id"]), subnet=subnet, own_address=own)


def _is_here(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _joined(client: Client, network: str) -> str:
    """Put the container in which this process runs on the network; return its address there."""
    container = own_container(client, socket.gethostname())
    if not container:
        return ""
    if network not in _networks_of(client, container):
        client.connect_container_to_network(container, network)
    return str(_networks_of(client, container)[network]["IPAddress"])


def _networks_of(client: Client, container: str) -> Mapping[str, Mapping[str, object]]:
    settings = client.inspect_container(container)["NetworkSettings"]
    return cast("Mapping[str, Mapping[str, object]]", settings["Networks"])
