"""Everything that a client behind real host names can reach; run as a process by `real_names`.

A resolver, a TLS terminator with a certificate for AWS's, Harness's and GitHub's names, and
relays that leave the bytes alone. Each thing that a client asks for is one line of JSON on
standard output. It emulates nothing: bytes are handed to the emulator as they come.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

AWS_SUFFIX = ".amazonaws.com"
HARNESS, GITHUB = "app.harness.io", "github.com"
BALANCERS = ".elb.amazonaws.com"
REGISTRIES = frozenset(
    {
        "pypi.org",
        "files.pythonhosted.org",
        "registry.npmjs.org",
        "registry.terraform.io",
        "releases.hashicorp.com",
        "registry-1.docker.io",
        "auth.docker.io",
    }
)
"""Where the pipelines' scripts and Terraform install from, and the preflight asks for images.

They are the real ones: nobody here stands in for them.
"""
_PORTS = (80, 443)
_HEAD_BYTES = 65536
_A_RECORD, _TTL_S = 1, 5
_NAME_ERROR = 3

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relays:
    """Addresses of names whose bytes are handed on as they come, TLS and all; one a name."""

    def __init__(self, pool: Sequence[str]) -> None:
        self.pool = tuple(pool)
        self._names: list[str] = []

    def address(self, name: str) -> str:
        """Return the address of a name, the same one each time."""
        if name not in self._names:
            self._names.append(name)
        return self.pool[self._names.index(name)]

    def name(self, address: str) -> str:
        """Return whose address it is; "" for one that nobody was told."""
        place = self.pool.index(address)
        return self._names[place] if place < len(self._names) else ""


class PublicDns:
    """The public zones of the emulator's Route 53, as the world's resolvers see them."""

    def __init__(self, aws_port: int) -> None:
        self._client: Any = boto3.client(
            "route53",
            endpoint_url=f"http://127.0.0.1:{aws_port}",
            region_name="us-east-1",
            aws_access_key_id="resolver",
            aws_secret_access_key="resolver",
        )

    def alias(self, name: str) -> str | None:
        """Return the load balancer behind a name; None where no zone has an alias for it."""
        zones = self._client.list_hosted_zones()["HostedZones"]
        for zone in zones:
            if zone["Config"]["PrivateZone"] or not f"{name}.".endswith(f".{zone['Name']}"):
                continue
            sets = self._client.list_resource_record_sets(HostedZoneId=zone["Id"])
            for row in sets["ResourceRecordSets"]:
                if row["Name"] == f"{name}." and row["Type"] == "A" and "AliasTarget" in row:
                    return str(row["AliasTarget"]["DNSName"]).rstrip(".").lower()
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Who stands behind the names."""

    address: str
    relays: Relays
    dns: PublicDns
    aws_port: int
    harness_port: int
    git_port: int
    names_file: Path
    outside: Path
    """Socket that leads to the registries."""

    def resolve(self, name: str) -> str | None:
        """Return the address of a name; None for a name that does not exist."""
        if name in REGISTRIES or name.endswith(BALANCERS):
            return self.relays.address(name)
        if self.ends_tls(name):
            return self.address
        balancer = self.dns.alias(name)
        return self.relays.address(balancer) if balancer else None

    def ends_tls(self, name: str) -> bool:
        """Tell whether the terminator is the server of a name."""
        is_aws = name.endswith(AWS_SUFFIX) and not name.endswith(BALANCERS)
        return is_aws or name in {HARNESS, GITHUB}

    async def open(self, name: str, port: int) -> Stream | None:
        """Connect to who has a name; None where nobody has it."""
        if name in REGISTRIES:
            other = await asyncio.open_unix_connection(self.outside)
            other[1].write(f"{name} {port}\n".encode())
            return other
        if name.endswith(BALANCERS):
            found = json.loads(self.names_file.read_text()).get(name)
            if found is None:
                return None
            return await asyncio.open_connection(found["address"], int(found["ports"][str(port)]))
        if not self.ends_tls(name):
            return None
        ports = {HARNESS: self.harness_port, GITHUB: self.git_port}
        return await asyncio.open_connection("127.0.0.1", ports.get(name, self.aws_port))


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
        address = self._world.resolve(name)
        if kind == _A_RECORD or address is None:
            say("lookup", name=name, known=address is not None)
        flags = 0x8180 | (_NAME_ERROR if address is None else 0)
        answer = b""
        if address is not None and kind == _A_RECORD:
            answer = struct.pack(">HHHIH", 0xC00C, _A_RECORD, 1, _TTL_S, 4)
            answer += socket.inet_aton(address)
        head = data[:2] + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0)
        self._transport.sendto(head + question + answer, addr)


def terminator(world: World, context: ssl.SSLContext) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return the handler of port 443 of the names whose TLS ends here: the name is the SNI."""
    names: dict[ssl.SSLObject, str] = {}

    def note(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        names[connection] = (name or "").lower()
        if name and world.ends_tls(name.lower()):
            return None
        say("tls", name=name or "", known=False)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = note  # type: ignore[assignment]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = names.pop(writer.get_extra_info("ssl_object"), "")
        await serve(world, name, 443, (reader, writer))

    return handle


async def relay(world: World, stream: Stream) -> None:
    """Handle a connection to a relayed name, which its address tells."""
    address, port = stream[1].get_extra_info("sockname")[:2]
    await serve(world, world.relays.name(address), port, stream)


async def serve(world: World, name: str, port: int, client: Stream) -> None:
    """Record a connection and hand its bytes to whoever has the name."""
    try:
        other = await world.open(name, port)
    except (OSError, KeyError) as error:
        say("connection", name=name, port=port, known=True, refused=repr(error))
        client[1].close()
        return
    say("connection", name=name, port=port, known=other is not None)
    if other is None:
        client[1].close()
        return
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


def watch_wire(interface: str, addresses: Sequence[str]) -> None:
    """Record every IPv4 packet that a client sends to an address other than ours."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    wire.bind((interface, 0))
    wire.setblocking(False)
    seen = {socket.inet_aton(address) for address in addresses}

    def look() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, _, direction, *_) = wire.recvfrom(64)
                target = packet[16:20]
                if direction == socket.PACKET_HOST and target not in seen:
                    seen.add(target)
                    say("stray", address=socket.inet_ntoa(target))

    asyncio.get_running_loop().add_reader(wire.fileno(), look)


async def run(arguments: argparse.Namespace) -> None:
    """Serve until killed."""
    world = World(
        address=arguments.address,
        relays=Relays(arguments.relays),
        dns=PublicDns(arguments.aws_port),
        aws_port=arguments.aws_port,
        harness_port=arguments.harness_port,
        git_port=arguments.git_port,
        names_file=arguments.names_file,
        outside=arguments.outside,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    watch_wire(arguments.interface, [world.address, *world.relays.pool])
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Resolver(world), local_addr=(world.address, 53))
    await asyncio.start_server(terminator(world, context), world.address, 443, ssl=context)
    for port in _PORTS:
        await asyncio.start_server(lambda r, w: relay(world, (r, w)), world.relays.pool, port)
    say("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option, kind in (
        ("--address", str),
        ("--interface", str),
        ("--aws-port", int),
        ("--harness-port", int),
        ("--git-port", int),
        ("--names-file", Path),
        ("--outside", Path),
        ("--certificate", Path),
    ):
        parser.add_argument(option, type=kind, required=True)
    parser.add_argument("--relays", nargs="+", required=True)
    asyncio.run(run(parser.parse_args()))
