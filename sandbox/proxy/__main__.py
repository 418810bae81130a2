"""The forward proxy's process: settings in, one listening socket, until SIGTERM."""

import asyncio
import logging
import os
import signal
import sys
import urllib.request

from sandbox.errors import DependencyError
from sandbox.proxy.hops import Names, Upstream
from sandbox.proxy.server import ForwardProxy
from sandbox.settings import Settings


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        DependencyError: the port is taken.

    """
    names = Names(settings.names_file)
    upstream = Upstream(urllib.request.getproxies_environment(), own_port=settings.proxy_port)
    proxy = ForwardProxy(names, upstream)
    try:
        await proxy.start(settings.bind, settings.proxy_port)
    except OSError as error:
        raise DependencyError(
            f"the forward proxy cannot listen on {settings.bind}:{settings.proxy_port}: "
            f"{os.strerror(error.errno or 0)}",
            hint="set SANDBOX_PROXY_PORT to a free port",
        ) from error
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    await proxy.stop()


def main() -> int:
    """Run the proxy; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(serve(Settings()))
    except DependencyError as error:
        logging.getLogger(__name__).error("%s; %s", error.message, error.hint)  # noqa: TRY400
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
