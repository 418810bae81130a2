"""Everything that a client behind real host names can reach; run as a process by `real_names`.

A resolver that knows AWS's and Harness's names and no other, a TLS terminator with a
certificate for those names, and a listener for anything sent to another address. Each thing
that a client asks for is one line of JSON on standard output. It emulates nothing: bytes are
handed to the emulator as they come.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AWS_SUFFIX = ".amazonaws.com"
HARNESS = "app.harness.io"
BALANCERS = ".elb.amazonaws.com"
_HEAD_BYTES = 65536
_A_RECORD, _TTL_S = 1, 5
_NAME_ERROR = 3

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Who stands behind the names."""

    address: str
    aws_port: int
    harness_port: int
    names_file: Path

    def knows(self, name: str) -> bool:
        """Tell whether a name is one of AWS's or Harness's."""
        return name == HARNESS or name.endswith(AWS_SUFFIX)

    def place(self, name: str, port: int) -> tuple[str, int] | None:
        """Return where the bytes for a name go; None for a name that nobody has."""
        if name == HARNESS:
            return "127.0.0.1", self.harness_port
        if name.endswith(BALANCERS):
            balancers = json.loads(self.names_file.read_text())
            found = balancers.get(name)
            return (found["address"], int(found["ports"][str(port)])) if found else None
        return ("127.0.0.1", self.aws_port) if self.knows(name) else None


def say(kind: str, **fields: object) -> None:
    """Record one thing that a client did."""
    sys.stdout.write(json.dumps({"kind": kind, **fields}) + "\n")
    sys.stdout.flush()


class Resolver(asyncio.DatagramProtocol):
    """Answers A questions; every other type of a known name has no records. RFC 1035."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name = ".".join(labels).lower()
        question = data[12 : at + 5]
        (kind,) = struct.unpack(">H", data[at + 1 : at + 3])
        known = self._world.knows(name)
        if kind == _A_RECORD or not known:
            say("lookup", name=name, known=known)
        answers = known and kind == _A_RECORD
        flags = 0x8180 | (0 if known else _NAME_ERROR)
        head = data[:2] + struct.pack(">HHHHH", flags, 1, 1 if answers else 0, 0, 0)
        record = struct.pack(">HHHIH", 0xC00C, _A_RECORD, 1, _TTL_S, 4)
        tail = record + socket.inet_aton(self._world.address) if answers else b""
        self._transport.sendto(head + question + tail, addr)


def terminator(world: World, context: ssl.SSLContext) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return the handler of port 443: the name is the SNI."""
    names: dict[ssl.SSLObject, str] = {}

    def note(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        names[connection] = (name or "").lower()
        if name and world.knows(name.lower()):
            return None
        say("tls", name=name or "", known=False)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = note  # type: ignore[assignment]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = names.pop(writer.get_extra_info("ssl_object"), "")
        await serve(world, name, 443, (reader, writer))

    return handle


async def plain(world: World, stream: Stream) -> None:
    """Handle port 80: the name is the Host header."""
    head = await stream[0].readuntil(b"\r\n\r\n")
    rows = [row.partition(b":") for row in head.split(b"\r\n")]
    host = next((v.strip().decode() for k, _, v in rows if k.lower() == b"host"), "")
    await serve(world, host.partition(":")[0].lower(), 80, stream, head)


async def serve(world: World, name: str, port: int, client: Stream, head: bytes = b"") -> None:
    """Record a connection and hand its bytes to whoever has the name."""
    place = world.place(name, port)
    say("connection", name=name, port=port, known=place is not None)
    if place is None:
        client[1].close()
        return
    try:
        other = await asyncio.open_connection(*place)
    except OSError as error:
        say("refused", name=name, port=port, why=str(error))
        client[1].close()
        return
    other[1].write(head)
    # Whichever side ends, the other one is told; a long poll may be half open for long.
    await asyncio.gather(pump(client[0], other[1]), pump(other[0], client[1]))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until their end, then end the other side."""
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(_HEAD_BYTES):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, ssl.SSLError):
        writer.close()
        await writer.wait_closed()


def watch_wire(interface: str, address: str) -> None:
    """Record every IPv4 packet that a client sends to an address other than ours."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    wire.bind((interface, 0))
    wire.setblocking(False)
    ours = socket.inet_aton(address)
    seen: set[bytes] = set()

    def look() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, _, direction, *_) = wire.recvfrom(64)
                target = packet[16:20]
                if direction == socket.PACKET_HOST and target != ours and target not in seen:
                    seen.add(target)
                    say("stray", address=socket.inet_ntoa(target))

    asyncio.get_running_loop().add_reader(wire.fileno(), look)


async def run(arguments: argparse.Namespace) -> None:
    """Serve until killed."""
    world = World(
        address=arguments.address,
        aws_port=arguments.aws_port,
        harness_port=arguments.harness_port,
        names_file=arguments.names_file,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    watch_wire(arguments.interface, world.address)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Resolver(world), local_addr=(world.address, 53))
    await asyncio.start_server(terminator(world, context), world.address, 443, ssl=context)
    await asyncio.start_server(lambda r, w: plain(world, (r, w)), world.address, 80)
    say("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option, kind in (
        ("--address", str),
        ("--interface", str),
        ("--aws-port", int),
        ("--harness-port", int),
        ("--names-file", Path),
        ("--certificate", Path),
    ):
        parser.add_argument(option, type=kind, required=True)
    asyncio.run(run(parser.parse_args()))
