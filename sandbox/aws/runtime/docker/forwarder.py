"""Lets the tasks' network, and nobody else, reach one port of this host's loopback.

The gateway listens on 127.0.0.1 alone, which in a container is the container. So that tasks
reach AWS, this listens on the bridge's own address, takes connections from that network's
range only, and hands their bytes on. It reads none of them.
"""

import asyncio
import contextlib
import logging
import threading
from ipaddress import IPv4Address, IPv4Network

from sandbox.errors import DependencyError

_CHUNK = 1 << 16
_START_TIMEOUT_S = 10

log = logging.getLogger(__name__)


class Forwarder:
    """One listener on a thread of its own."""

    def __init__(
        self, *, listen: tuple[str, int], target: tuple[str, int], allowed: IPv4Network
    ) -> None:
        self._listen = listen
        self._target = target
        self._allowed = allowed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._listening = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="task-forwarder", daemon=True)

    def start(self) -> None:
        """Listen; returns once it does.

        Raises:
            DependencyError: the address is taken.

        """
        self._thread.start()
        self._listening.wait(_START_TIMEOUT_S)
        if self._failure is not None:
            host, port = self._listen
            raise DependencyError(
                f"Tasks cannot reach AWS: {host}:{port} cannot be bound: {self._failure.strerror}",
                hint="Set SANDBOX_AWS_PORT to a port that is free on the Docker bridge too.",
            ) from self._failure

    def stop(self) -> None:
        """Stop listening and drop what is open."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._connected, *self._listen)
        except OSError as error:
            self._failure = error
            return
        finally:
            self._listening.set()
        await self._stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._forward(reader, writer)
        except OSError as error:
            log.info("task_connection_broken", extra={"error": str(error)})
        finally:
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = IPv4Address(writer.get_extra_info("peername")[0])
        if peer not in self._allowed:
            log.warning("foreign_connection_refused", extra={"peer": str(peer)})
            return
        inner_reader, inner_writer = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(
                _copy(reader, inner_writer),
                _copy(inner_reader, writer),
            )
        finally:
            inner_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Hand on until the source ends, then say so to the sink."""
    while chunk := await source.read(_CHUNK):
        sink.write(chunk)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
