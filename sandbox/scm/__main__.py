"""The process of the Git server: gunicorn with one threaded worker around `server.create_app`.

It is told by flags, not by the sandbox's settings, so that it stays small.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication


class GitServer(BaseApplication):  # type: ignore[misc]
    """The Git server under gunicorn; deliveries start in the worker."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Bind as told; one worker with threads."""
        self.cfg.set("bind", f"{self._options.bind}:{self._options.port}")
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("control_socket_disable", True)  # noqa: FBT003  (gunicorn.cfg.set)
        self.cfg.set("threads", 8)
        self.cfg.set("timeout", 120)
        self.cfg.set("graceful_timeout", 5)

    def load(self) -> Any:
        """Make the application in the worker; the master only watches it and stays small."""
        from sandbox.scm.server import create_app
        from sandbox.scm.webhooks import Deliverer

        root: Path = self._options.root
        root.mkdir(parents=True, exist_ok=True)
        Deliverer(root, self._options.url).start()
        return create_app(root, self._options.url)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="sandbox.scm", description="The local Git server.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the repositories")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=3000, help="TCP port to listen on")
    parser.add_argument("--url", required=True, help="its base URL, as clients see it")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    GitServer(options).run()


if __name__ == "__main__":
    main()
