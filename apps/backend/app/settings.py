"""The service's settings: the only reader of the process environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

ENVIRONMENTS = ("dev", "prod")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

DEFAULT_VERSION = "unversioned"
DEFAULT_USER_CAPACITY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may differ between two deployments of one image."""

    version: str = DEFAULT_VERSION
    environment: str = "dev"
    cors_origins: tuple[str, ...] = ("*",)
    log_level: str = "INFO"
    user_capacity: int = DEFAULT_USER_CAPACITY

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and check the environment.

        Raises:
            ValueError: a variable holds something that it may not.
        """
        source = os.environ if environ is None else environ
        origins = source.get("CORS_ORIGINS", "*").split(",")
        return cls(
            version=source.get("APP_VERSION", "").strip() or DEFAULT_VERSION,
            environment=_one_of(source, "APP_ENV", ENVIRONMENTS, "dev"),
            cors_origins=tuple(origin.strip() for origin in origins if origin.strip()),
            log_level=_one_of(source, "LOG_LEVEL", LOG_LEVELS, "INFO"),
            user_capacity=_positive(source, "USER_CAPACITY", DEFAULT_USER_CAPACITY),
        )


def _one_of(source: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = source.get(name, "").strip() or default
    if value not in allowed:
        message = f"{name} is {value!r}; use one of {', '.join(allowed)}"
        raise ValueError(message)
    return value


def _positive(source: Mapping[str, str], name: str, default: int) -> int:
    raw = source.get(name, "").strip() or str(default)
    if not raw.isascii() or not raw.isdigit() or int(raw) < 1:
        message = f"{name} is {raw!r}; use a whole number above 0"
        raise ValueError(message)
    return int(raw)
