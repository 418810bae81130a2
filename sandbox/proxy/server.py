"""The forward proxy's listening socket: a session for each client."""

import asyncio
import logging

from sandbox.proxy.hops import Hop, Names, Upstream
from sandbox.proxy.session import Session
from sandbox.proxy.wire import HEAD_BYTES

log = logging.getLogger(__name__)


class ForwardProxy:
    """Accepts clients until it is stopped."""

    def __init__(self, names: Names, upstream: Upstream) -> None:
        self._names = names
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self, bind: str, port: int) -> int:
        """Listen; return the port (a chosen one where `port` is 0)."""
        self._server = await asyncio.start_server(self._accept, bind, port, limit=HEAD_BYTES)
        actual = int(self._server.sockets[0].getsockname()[1])
        log.info("proxy_started port=%d", actual)
        return actual

    async def stop(self) -> None:
        """Stop listening and end all sessions."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def route(self, scheme: str, host: str, port: int) -> Hop:
        """Return where a request for `host` goes."""
        return self._names.hop(host, port) or self._upstream.hop(scheme, host, port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None  # noqa: S101  asyncio runs this as a task
        self._sessions.add(session)
        try:
            await Session(self.route, (reader, writer)).run()
        except (OSError, EOFError, TimeoutError, BaseExceptionGroup):
            log.debug("session_broken", exc_info=True)
        except asyncio.CancelledError:
            log.debug("session_cancelled")
        except Exception:  # the top of a session: the others go on
            log.exception("session_failed")
        finally:
            self._sessions.discard(session)
            writer.close()
