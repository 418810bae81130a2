"""The forward proxy's process: flags in, one listening socket, until SIGTERM.

It is told by flags, not by the sandbox's settings, so that it stays small.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import urllib.request
from pathlib import Path

from sandbox.errors import DependencyError
from sandbox.proxy.hops import Names, Upstream
from sandbox.proxy.server import ForwardProxy


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        DependencyError: the port is taken.

    """
    names = Names(options.names)
    upstream = Upstream(urllib.request.getproxies_environment(), own_port=options.port)
    proxy = ForwardProxy(names, upstream)
    try:
        await proxy.start(options.bind, options.port)
    except OSError as error:
        raise DependencyError(
            f"the forward proxy cannot listen on {options.bind}:{options.port}: "
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
    parser = argparse.ArgumentParser(prog="sandbox.proxy", description="The forward proxy.")
    parser.add_argument("--names", type=Path, required=True, help="load balancer names, as JSON")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4567, help="TCP port to listen on")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options))
    except DependencyError as error:
        logging.getLogger(__name__).error("%s; %s", error.message, error.hint)  # noqa: TRY400
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
