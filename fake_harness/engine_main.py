"""The engine process: settings, signals, the loop. Start with `python -m`."""

import logging
import signal
import sys

import structlog

from fake_harness.engine.loop import EngineLoop
from fake_harness.settings import Settings
from fake_harness.store import tables
from fake_harness.store.database import create_tables, open_database


def main() -> None:
    """Run the engine until SIGTERM or SIGINT."""
    _configure_logging()
    settings = Settings()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    database = open_database(settings.sqlalchemy_url)
    assert tables.plan_executions is not None  # noqa: S101 - tables must be known first
    create_tables(database)
    loop = EngineLoop(
        database=database, time_scale=settings.time_scale, public_url=settings.public_url
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(loop, "stopping", True))
    loop.run()


def _configure_logging() -> None:
    """Text on a terminal, JSON otherwise, always on stderr."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()
