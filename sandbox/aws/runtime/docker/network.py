"""The bridge network of one sandbox: found by label or made; whether this host can reach it."""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sandbox.aws.runtime.docker.engine import Client, EngineError, NotFoundError, explanation
from sandbox.aws.runtime.docker.labels import Owner
from sandbox.errors import DependencyError
from sandbox.types import JsonObject

HOST_NAME = "host.docker.internal"
"""How a container calls the machine that runs it, where it cannot use the bridge's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as it is."""

    id: str
    subnet: ipaddress.IPv4Network
    gateway: str
    """The bridge's own address, which containers reach the host by."""

    @property
    def is_on_this_host(self) -> bool:
        """Tell whether the bridge is this machine's own, so that containers can be reached.

        They cannot where the engine runs in a virtual machine or elsewhere.
        """
        with socket.socket() as probe:
            try:
                probe.bind((self.gateway, 0))
            except OSError:
                return False
        return True


def ensure_network(client: Client, owner: Owner) -> Network:
    """Return the sandbox's network, made when it is missing.

    Raises:
        DependencyError: the engine has no address range left.

    """
    try:
        return _network(client.inspect_network(owner.network_name))
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
    return _network(client.inspect_network(owner.network_name))


def _network(document: JsonObject) -> Network:
    settings = cast("Mapping[str, list[Mapping[str, str]]]", document["IPAM"])["Config"]
    (first, *_) = [c for c in settings if ":" not in c["Subnet"]]
    subnet = ipaddress.IPv4Network(first["Subnet"])
    return Network(
        id=str(document["Id"]), subnet=subnet, gateway=first.get("Gateway") or str(subnet[1])
    )
