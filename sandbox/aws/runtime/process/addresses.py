"""Loopback addresses of tasks: one each, claimed on disk; it starts nothing.

On Linux every address of 127.0.0.0/8 works as it is. Elsewhere only 127.0.0.1 does, so
tasks share it and every port is mapped to a free one (unverified: never run on macOS).
"""

import errno
import hashlib
import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_HIGH = 20_000


class NoAddressError(Exception):
    """Every address of the network is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a task is: its address, and for each container port the port that listens."""

    address: str
    ports: Mapping[int, int]


class Addresses:
    """Claims on one network, each a file that names its task. Not thread-safe."""

    def __init__(self, folder: Path, network: str) -> None:
        self._folder = folder
        self._hosts = ipaddress.ip_network(network)
        # Sandboxes of other state directories start elsewhere in the same network.
        seed = hashlib.sha256(str(folder.resolve()).encode()).digest()
        self._next = int.from_bytes(seed[:8], "big")
        folder.mkdir(parents=True, exist_ok=True)

    def claim(self, owner: str, ports: Iterable[int]) -> Endpoint:
        """Give `owner` an address where all `ports` are free.

        Raises:
            NoAddressError: there is none.

        """
        wanted = tuple(ports)
        if sys.platform != "linux":
            return Endpoint(address="127.0.0.1", ports={port: _free_port() for port in wanted})
        usable = self._hosts.num_addresses - 2
        for _ in range(usable):
            self._next += 1
            address = str(self._hosts[1 + self._next % usable])
            mapped = self._mapped(address, wanted) if self._take(address, owner) else None
            if mapped is not None:
                return Endpoint(address=address, ports=mapped)
        raise NoAddressError(f"no free address in {self._hosts}")

    def release(self, address: str) -> None:
        """Free the address; one that is free already is a no-op."""
        (self._folder / address).unlink(missing_ok=True)

    def keep(self, owners: set[str]) -> None:
        """Free what belongs to no one of `owners`: claims of a crash before their task."""
        for path in self._folder.iterdir():
            if path.read_text() not in owners:
                path.unlink()

    def _take(self, address: str, owner: str) -> bool:
        try:
            descriptor = os.open(self._folder / address, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(owner)
        return True

    def _mapped(self, address: str, ports: tuple[int, ...]) -> Mapping[int, int] | None:
        """Return the port that each container port gets; None when one is in use here."""
        mapped = {}
        for port in ports:
            allowed = port if _bind_error(address, port) != errno.EACCES else _HIGH + port
            if _bind_error(address, allowed):
                self.release(address)
                return None
            mapped[port] = allowed
        return mapped


def _bind_error(address: str, port: int) -> int:
    """Return why the port cannot be bound (an errno), or 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
