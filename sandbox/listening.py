"""Who listens on a TCP port of this machine; it opens no service of its own."""

import errno
import socket
from pathlib import Path

from sandbox.errors import DependencyError

_LISTEN = "0A"


def require_free_port(address: str, port: int, *, what: str, setting: str) -> None:
    """Refuse to go on where `port` cannot be bound.

    Args:
        address: the address that the server will bind.
        port: the port that it needs.
        what: the process that needs it.
        setting: the variable that chooses another port.

    Raises:
        DependencyError: names the port, the process that holds it where known, the setting.
    """
    with socket.socket() as probe:
        # As our servers do: closed connections that still linger do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            reason = "is taken" if is_taken else f"cannot be bound ({error.strerror})"
            holder = port_holder(port) if is_taken else ""
            by = f" by {holder}" if holder else ""
            raise DependencyError(
                f"Port {port} on {address} (for `{what}`) {reason}{by}.",
                hint=f"Stop that process, or choose another port with {setting}."
                if is_taken
                else f"Choose another port with {setting}.",
            ) from error


def port_holder(port: int) -> str:
    """Return `name (pid N)` of the process that listens on `port`, or an empty string."""
    inodes = _listening_inodes(port)
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{name} (pid {process.name})"
        except OSError:
            continue  # it ended meanwhile, or belongs to someone else
    return "another process"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for row in table.read_text().splitlines()[1:]:
            cells = row.split()
            if cells[3] == _LISTEN and int(cells[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{cells[9]}]")
    return inodes
