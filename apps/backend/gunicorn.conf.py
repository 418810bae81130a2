"""Gunicorn settings that the command line does not give: connections, shutdown, logs."""

from pathlib import Path

# Longer than the load balancer's idle timeout (60 s): the balancer must be the one to close.
keepalive = 75
graceful_timeout = 25
timeout = 30
# A root file system may be read-only; the heartbeat file must not need it.
shared_memory = Path("/dev/shm")  # noqa: S108  # nosec B108
worker_tmp_dir = str(shared_memory) if shared_memory.is_dir() else None

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "app.request_log.JsonFormatter"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "stream": "ext://sys.stdout",
        }
    },
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["stdout"], "propagate": False}},
}
