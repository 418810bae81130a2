"""Which loopback address and port a load balancer's listener can really bind.

It asks the system by binding and letting go. Listening itself is Envoy's.
"""

import errno
import ipaddress
import itertools
import socket
from collections.abc import Collection

from sandbox.errors import AwsError

_MAPPED_OFFSET = 8000


def can_bind(address: str, port: int) -> bool:
    """Tell whether this process, and so Envoy as the same user, could listen there."""
    return _try_to_bind(address, port) == 0


def _try_to_bind(address: str, port: int) -> int:
    """Return 0, or the system's error number."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Envoy does: connections that linger after a restart do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EINVAL
        return 0


def free_address(network: str, taken: Collection[str]) -> str:
    """Return the lowest address of `network` that no load balancer of ours has.

    An address on which something foreign, as another sandbox, holds port 80, 443 or their
    mapped ports is left out, as long as there are others.

    Raises:
        AwsError: TooManyLoadBalancers when the network is full.

    """
    hosts = (str(host) for host in ipaddress.ip_network(network).hosts())
    free = [host for host in itertools.islice(hosts, len(taken) + 32) if host not in taken]
    if not free:
        raise AwsError("TooManyLoadBalancers", f"The network {network} has no address left")
    return next((host for host in free if _is_unused(host)), free[0])


def _is_unused(address: str) -> bool:
    ports = (port + offset for port in (80, 443) for offset in (0, _MAPPED_OFFSET))
    return all(_try_to_bind(address, port) != errno.EADDRINUSE for port in ports)


def bindable_port(address: str, port: int, taken: Collection[int]) -> int:
    """Return `port`, or where the system forbids it the port that stands for it.

    80 becomes 8080 and 443 becomes 8443 where these are free, else any free port is taken.
    """
    mapped = port + _MAPPED_OFFSET
    for candidate in (port, mapped):
        if candidate < 65536 and candidate not in taken and can_bind(address, candidate):
            return candidate
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
