"""Two health answers: alive (the load balancer asks) and ready (the delivery gate asks)."""

from __future__ import annotations

from http import HTTPStatus
from time import monotonic

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.readiness import Readiness
from app.release import RELEASE_NAME
from app.settings import Settings


def blueprint(settings: Settings, readiness: Readiness, *, instance: str) -> Blueprint:
    """Return the health routes; `instance` tells the tasks of one service apart."""
    routes = Blueprint("health", __name__, url_prefix="/api/health")
    started = monotonic()

    def identity() -> dict[str, str]:
        return {
            "version": settings.version,
            "release": RELEASE_NAME,
            "environment": settings.environment,
            "instance": instance,
        }

    @routes.get("")
    def alive() -> ResponseReturnValue:
        return {"status": "ok", **identity(), "uptime_s": round(monotonic() - started, 1)}

    @routes.get("/ready")
    def ready() -> ResponseReturnValue:
        results = readiness.run()
        passed = all(result.passed for result in results)
        body = {
            "status": "ready" if passed else "not_ready",
            **identity(),
            "checks": [result.as_json() for result in results],
        }
        return body, HTTPStatus.OK if passed else HTTPStatus.SERVICE_UNAVAILABLE

    return routes
