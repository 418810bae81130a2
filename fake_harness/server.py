"""Runs the Harness API and console under gunicorn; any number of workers may run."""

from typing import Any

from gunicorn.app.base import BaseApplication

from fake_harness.settings import Settings


class HarnessServer(BaseApplication):  # type: ignore[misc]
    """The API under gunicorn; the application is made in the worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Bind as the settings say; threads, because delegates hold long polls."""
        self.cfg.set("bind", f"{self._settings.host}:{self._settings.port}")
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("control_socket_disable", True)  # noqa: FBT003  (gunicorn.cfg.set)
        self.cfg.set("threads", 64)
        self.cfg.set("keepalive", 30)
        self.cfg.set("timeout", 120)
        self.cfg.set("graceful_timeout", 3)

    def load(self) -> Any:
        """Make the application in the worker."""
        # Imported here so that the master stays small: it only watches the worker.
        from fake_harness.api.app import create_app

        return create_app(self._settings)


def main() -> None:
    """Serve until told to stop."""
    HarnessServer(Settings()).run()


if __name__ == "__main__":
    main()
