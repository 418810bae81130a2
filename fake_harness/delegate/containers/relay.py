"""Hands the bytes of a stage's containers on to one port of this host's loopback.

The local AWS listens on 127.0.0.1 alone, which in a container is the container itself. The
relay listens on the address that the network's bridge has on this host, serves that network
only, and reads none of what passes.
"""

import select
import socket
import socketserver
import threading
from ipaddress import IPv4Address, IPv4Network

_CHUNK = 1 << 16


class Relay:
    """One listener, with a thread for each connection; it ends with the step."""

    def __init__(self, address: str, allowed: IPv4Network, target: tuple[str, int]) -> None:
        """Listen; OSError where the address is not this host's."""

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if IPv4Address(self.client_address[0]) in allowed:
                    _pass_on(self.request, target)

        self._server = _Server((address, 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _pass_on(near: socket.socket, target: tuple[str, int]) -> None:
    """Copy both ways until one side has nothing more and the other has all of it."""
    try:
        with socket.create_connection(target) as far:
            other = {near: far, far: near}
            reading = [near, far]
            while reading:
                for source in select.select(reading, [], [])[0]:
                    chunk = source.recv(_CHUNK)
                    if chunk:
                        other[source].sendall(chunk)
                    else:
                        reading.remove(source)
                        other[source].shutdown(socket.SHUT_WR)
    except OSError:
        return  # either side went away; the other sees its connection close
