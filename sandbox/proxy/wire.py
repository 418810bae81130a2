"""HTTP/1.1 heads and bodies as they stream past; nothing is kept, nothing is interpreted."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from sandbox.proxy.hops import RefusedError

HEAD_BYTES = 1 << 16
_IDLE_S = 300
_CHUNK_BYTES = 1 << 16
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "proxy-authorization"})

Length = int | None
"""Bytes of a body; None is until the end of the connection, `CHUNKED` is chunked."""
CHUNKED = -1

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A first line and headers."""

    line: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return a header's value, lower-cased, or an empty text."""
        return next((v.strip().lower() for n, v in self.headers if n.lower() == name), "")

    def end_to_end(self, *extra: tuple[str, str]) -> "Head":
        """Return this head without what concerns one connection only, and with `extra`."""
        kept = [pair for pair in self.headers if pair[0].lower() not in _HOP_BY_HOP]
        return replace(self, headers=(*kept, *extra))

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        lines = [self.line, *(f"{name}:{value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def length(self) -> Length:
        """Return the body's length as the headers give it; None where they do not."""
        if "chunked" in self.get("transfer-encoding"):
            return CHUNKED
        text = self.get("content-length")
        if text and not text.isdecimal():
            raise RefusedError("the Content-Length is no number", status="400 Bad Request")
        return int(text) if text else None


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Return the next head, or None where the connection ended before it."""
    try:
        data = await _patiently(reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        status = "431 Request Header Fields Too Large"
        raise RefusedError("the headers are too large", status=status) from None
    line, *rest = data.decode("latin-1").rstrip("\r\n").lstrip("\r\n").split("\r\n")
    pairs = (item.partition(":") for item in rest)
    return Head(line=line, headers=tuple((name, value) for name, _, value in pairs))


async def _patiently(work: Awaitable[bytes]) -> bytes:
    async with asyncio.timeout(_IDLE_S):
        return await work


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: Length) -> None:
    """Copy one body; a chunked one keeps its framing."""
    if length == CHUNKED:
        await _copy_chunks(reader, writer)
        return
    left = length
    while left is None or left > 0:
        size = _CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES)
        data = await _patiently(reader.read(size))
        if not data:
            if left is not None:
                raise ConnectionResetError("the body ended early")
            return
        writer.write(data)
        await writer.drain()
        left = None if left is None else left - len(data)


async def _copy_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = -1
    while size != 0:
        line = await _patiently(reader.readuntil(b"\r\n"))
        size = int(line.partition(b";")[0], 16)
        writer.write(line)
        if size:
            await copy(reader, writer, size + 2)
    line = b""
    while line != b"\r\n":
        line = await _patiently(reader.readuntil(b"\r\n"))
        writer.write(line)
    await writer.drain()


async def tunnel(client: Pipe, server: Pipe) -> None:
    """Copy both ways until both have ended; one end's end is passed on.

    Raises:
        TimeoutError: neither way moved a byte for a long while.

    """
    clock = asyncio.get_running_loop().time
    moved_at = clock()

    async def one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal moved_at
        while True:
            try:
                data = await _patiently(reader.read(_CHUNK_BYTES))
            except TimeoutError:
                if clock() - moved_at >= _IDLE_S:
                    raise
                continue
            if not data:
                break
            moved_at = clock()
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(one_way(client[0], server[1]))
        group.create_task(one_way(server[0], client[1]))
