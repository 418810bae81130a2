"""Builds the Flask application from its parts.

Routes live in their blueprints, rules in `users.py`, storage in `repository.py`.
"""

from __future__ import annotations

from uuid import uuid4

from flask import Flask
from flask_cors import CORS

from app import errors, health, request_log, users
from app.readiness import Readiness, default_checks
from app.repository import InMemoryUserRepository, UserRepository, seed_users
from app.settings import Settings

MAX_BODY_BYTES = 16 * 1024


def create_app(
    settings: Settings | None = None,
    repository: UserRepository | None = None,
    readiness: Readiness | None = None,
) -> Flask:
    """Return an application that is ready to serve; every part may be replaced."""
    settings = settings or Settings.from_environ()
    if repository is None:
        repository = InMemoryUserRepository(capacity=settings.user_capacity, users=seed_users())
    if readiness is None:
        readiness = Readiness(default_checks(settings.environment, repository))

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    CORS(
        app,
        resources={r"/api/*": {"origins": list(settings.cors_origins)}},
        send_wildcard=True,
        expose_headers=["X-App-Version", "X-Request-ID"],
    )
    request_log.install(app, version=settings.version, level=settings.log_level)
    errors.install(app)
    app.register_blueprint(health.blueprint(settings, readiness, instance=uuid4().hex[:8]))
    app.register_blueprint(users.blueprint(repository))
    return app
