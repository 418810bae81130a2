"""Gives a Python task its own address: sockets bound to every address bind to the task's.

Python imports it at start in every task, before the program. It changes nothing where
`SANDBOX_TASK_ADDRESS` is not set, and cannot reach programs that call bind(2) themselves
(uvloop, native servers) or Python started with `-I`, `-E` or `-S`.
"""

# The folder is a search path of tasks, not a package.
# ruff: noqa: INP001
import os
import socket

_ADDRESS = os.environ.get("SANDBOX_TASK_ADDRESS", "")
_PORTS = {
    int(pair.partition(":")[0]): int(pair.partition(":")[2])
    for pair in os.environ.get("SANDBOX_TASK_PORTS", "").split(",")
    if pair
}
_EVERY = frozenset({"", "0.0.0.0", "::"})
_SELF = frozenset({"127.0.0.1", "localhost"})


def _bound(family: int, address: object) -> object:
    """Return where a bind to `address` goes instead."""
    if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        return address
    host, port, *rest = address
    if host in _EVERY or (host in _SELF and port in _PORTS):
        mapped = _ADDRESS if family == socket.AF_INET else f"::ffff:{_ADDRESS}"
        return (mapped, _PORTS.get(port, port), *rest)
    return address


def _connected(family: int, address: object) -> object:
    """Return where a connection to `address` goes instead: the task's own ports are its own."""
    if family == socket.AF_INET and isinstance(address, tuple):
        host, port = address[0], address[1]
        if host in _SELF | _EVERY and port in _PORTS:
            return (_ADDRESS, _PORTS[port])
    return address


def _install() -> None:
    plain = socket.socket
    bind, connect, connect_ex = plain.bind, plain.connect, plain.connect_ex

    def task_bind(self: socket.socket, address: object) -> None:
        mapped = _bound(self.family, address)
        if mapped is not address and self.family == socket.AF_INET6:
            self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bind(self, mapped)  # type: ignore[arg-type]

    def task_connect(self: socket.socket, address: object) -> None:
        connect(self, _connected(self.family, address))  # type: ignore[arg-type]

    def task_connect_ex(self: socket.socket, address: object) -> int:
        return connect_ex(self, _connected(self.family, address))  # type: ignore[arg-type]

    plain.bind = task_bind  # type: ignore[assignment, method-assign]
    plain.connect = task_connect  # type: ignore[assignment, method-assign]
    plain.connect_ex = task_connect_ex  # type: ignore[assignment, method-assign]


if _ADDRESS:
    _install()
