"""One client's connection to the forward proxy, request by request."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from sandbox.proxy.hops import Hop, RefusedError
from sandbox.proxy.wire import HEAD_BYTES, Head, Length, Pipe, copy, read_head, tunnel

_CONNECT_TIMEOUT_S = 15
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS"})

Router = Callable[[str, str, int], Hop]
"""Scheme, host and port to where to connect."""


class _HungUpError(Exception):
    """The server ended the connection instead of answering."""


class Session:
    """Serves one client; keeps the last server connection for its next request."""

    def __init__(self, route: Router, client: Pipe) -> None:
        self._route = route
        self._client = client
        self._server: Pipe | None = None
        self._server_hop: Hop | None = None

    async def run(self) -> None:
        """Serve requests until the connection ends."""
        try:
            while (head := await read_head(self._client[0])) is not None:
                method, _, rest = head.line.partition(" ")
                target = rest.partition(" ")[0]
                if method == "CONNECT":
                    await self._connect(target)
                    return
                if not await self._forward(method, target, head):
                    return
        except RefusedError as refused:
            await self._refuse(refused)
        finally:
            self._drop_server()

    async def _connect(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        if not port.isdecimal():
            raise RefusedError("CONNECT needs host:port", status="400 Bad Request")
        hop = self._route("https", host.strip("[]").lower().rstrip("."), int(port))
        self._server = await _open(hop)
        if hop.is_proxy:
            await self._connect_through(self._server, hop, target)
        self._client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await tunnel(self._client, self._server)

    async def _connect_through(self, server: Pipe, hop: Hop, target: str) -> None:
        headers = (("Host", f" {target}"), *_proxy_authorization(hop))
        server[1].write(Head(line=f"CONNECT {target} HTTP/1.1", headers=headers).encode())
        answer = await read_head(server[0])
        status = "" if answer is None else answer.line.partition(" ")[2]
        if not status.startswith("2"):
            raise RefusedError(f"{hop.what} refused {target}: {status or 'it hung up'}")

    async def _forward(self, method: str, target: str, head: Head) -> bool:
        """Forward one request and its answer; tell whether the connection goes on."""
        parts = urlsplit(target)
        if parts.scheme != "http" or parts.hostname is None:
            raise RefusedError(
                "this is a forward proxy: ask it for http://host/path, or CONNECT",
                status="400 Bad Request",
            )
        hop = self._route("http", parts.hostname.lower().rstrip("."), parts.port or 80)
        goes_on = await self._exchange(method, hop, _onward(method, target, head, hop))
        return goes_on and _is_kept_alive(head)

    async def _exchange(self, method: str, hop: Hop, head: Head) -> bool:
        """Send a request over a kept or a new connection, and relay the answer."""
        length = head.length() or 0
        is_kept = (
            self._server is not None and self._server_hop == hop and not self._server[0].at_eof()
        )
        if is_kept:
            try:
                return await self._attempt(method, head, length)
            except _HungUpError:
                # The server closed an idle connection just as the request was sent.
                if length or method not in _SAFE_TO_REPEAT:
                    raise RefusedError(f"{hop.what} hung up") from None
        self._drop_server()
        self._server, self._server_hop = await _open(hop), hop
        try:
            return await self._attempt(method, head, length)
        except _HungUpError:
            raise RefusedError(f"{hop.what} hung up without an answer") from None

    async def _attempt(self, method: str, head: Head, length: Length) -> bool:
        assert self._server is not None  # noqa: S101  opened by _exchange
        sending = asyncio.create_task(self._send(self._server, head, length))
        try:
            # While the request's body is still under way: the server may want to say
            # `100 Continue` first, or refuse early.
            goes_on = await self._answer(method, self._server)
            # What was not sent yet would be taken for the next request.
            return goes_on and sending.done()
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, EOFError, ValueError):
                await sending

    async def _send(self, server: Pipe, head: Head, length: Length) -> None:
        server[1].write(head.encode())
        await server[1].drain()
        if length:
            await copy(self._client[0], server[1], length)

    async def _answer(self, method: str, server: Pipe) -> bool:
        """Relay answers up to the final one; tell whether both connections can go on."""
        to_client = self._client[1]
        while True:
            try:
                answer = await read_head(server[0])
            except OSError:
                answer = None
            if answer is None:
                raise _HungUpError
            status = int(answer.line.split(" ")[1])
            if status >= 200:
                break
            to_client.write(answer.encode())
            if status == 101:
                await tunnel(self._client, server)
                return False
        is_bodyless = method == "HEAD" or status in {204, 304}
        length = 0 if is_bodyless else answer.length()
        mark = (("Connection", " close"),) if length is None else ()
        to_client.write(answer.end_to_end(*mark).encode())
        await copy(server[0], to_client, length)
        await to_client.drain()
        if length is None or "close" in answer.get("connection"):
            self._drop_server()
        return length is not None

    def _drop_server(self) -> None:
        if self._server is not None:
            self._server[1].close()
            self._server = None

    async def _refuse(self, refused: RefusedError) -> None:
        body = f"sandbox proxy: {refused.text}\n".encode()
        headers = (
            ("Content-Type", " text/plain; charset=utf-8"),
            ("Content-Length", f" {len(body)}"),
            ("Connection", " close"),
        )
        head = Head(line=f"HTTP/1.1 {refused.status}", headers=headers)
        self._client[1].write(head.encode() + body)
        await self._client[1].drain()


def _onward(method: str, target: str, head: Head, hop: Hop) -> Head:
    """Return the head to send: to a server with the path alone, to a proxy as it came."""
    extra = _proxy_authorization(hop)
    line = head.line
    if not hop.is_proxy:
        path = urlsplit(target)._replace(scheme="", netloc="", fragment="").geturl()
        line = f"{method} {path if path.startswith('/') else '/' + path} HTTP/1.1"
    if head.get("upgrade"):
        extra = (*extra, ("Connection", " upgrade"))
    return replace(head.end_to_end(*extra), line=line)


def _proxy_authorization(hop: Hop) -> tuple[tuple[str, str], ...]:
    if not hop.proxy_authorization:
        return ()
    return (("Proxy-Authorization", f" {hop.proxy_authorization}"),)


def _is_kept_alive(head: Head) -> bool:
    wishes = head.get("connection") + head.get("proxy-connection")
    return head.line.endswith("HTTP/1.1") and "close" not in wishes


async def _open(hop: Hop) -> Pipe:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(hop.host, hop.port, limit=HEAD_BYTES)
    except TimeoutError:
        raise RefusedError(f"no answer from {hop.what} at {hop.host}:{hop.port}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RefusedError(
            f"no connection to {hop.what} at {hop.host}:{hop.port}: {reason}"
        ) from None
