"""The WSGI application: every resource's blueprint, with and without `/gateway`."""

import hmac
import uuid
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from fake_harness.api import (
    account,
    agent,
    approvals,
    connectors,
    delegates,
    executions,
    file_store,
    input_sets,
    logs,
    organizations,
    pipelines,
    secrets,
    templates,
    triggers,
    variables,
    webhooks,
    yaml_entities,
)
from fake_harness.api.changes import Changes
from fake_harness.api.routes import LazyRule
from fake_harness.api.wire import Backend, backend, now, request_scope
from fake_harness.console.views import blueprint as console
from fake_harness.crypto import load_cipher
from fake_harness.errors import HarnessError, YamlInvalidError
from fake_harness.settings import Settings
from fake_harness.store import delegates as delegate_rows
from fake_harness.store import executions as execution_rows
from fake_harness.store import leases
from fake_harness.store.database import create_tables, open_database

log = structlog.get_logger()

_OPEN_PREFIXES = ("/health", "/api/agent", "/console", "/static")
_WEBHOOKS = ("/ng/api/webhook", "/pipeline/api/webhook")


class GatewayPrefix:
    """Serves `/gateway/x` as `/x`: SDKs use the prefix, command lines do not."""

    def __init__(self, app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Strip the prefix, where there is one."""
        path = environ.get("PATH_INFO", "")
        if path.startswith("/gateway/"):
            environ = {**environ, "PATH_INFO": path.removeprefix("/gateway")}
        return self._app(environ, start)


def create_app(settings: Settings) -> Flask:
    """Make the API over the database that the settings name."""
    app = Flask(__name__, static_folder=None)
    app.url_rule_class = LazyRule
    app.json.sort_keys = False  # type: ignore[attr-defined]
    engine = open_database(settings.sqlalchemy_url)
    create_tables(engine)
    cipher = load_cipher(settings.master_key_file)
    app.extensions["harness"] = Backend(
        engine=engine, cipher=cipher, settings=settings, changes=Changes(engine)
    )
    for module in (
        account,
        agent,
        approvals,
        connectors,
        delegates,
        executions,
        file_store,
        input_sets,
        logs,
        organizations,
        pipelines,
        secrets,
        templates,
        triggers,
        variables,
        webhooks,
    ):
        app.register_blueprint(module.blueprint)
    for v1 in (executions.v1, input_sets.v1, pipelines.v1):
        app.register_blueprint(v1)
        app.register_blueprint(v1, name=f"{v1.name}_cli", url_prefix="/pipeline/api" + _prefix(v1))
    for blueprint in yaml_entities.blueprints:
        app.register_blueprint(blueprint)
    app.register_blueprint(console)
    app.before_request(_authenticate)
    app.get("/health")(health)
    app.register_error_handler(HarnessError, _harness_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crash)
    app.wsgi_app = GatewayPrefix(app.wsgi_app)  # type: ignore[method-assign,assignment]
    return app


def health() -> ResponseReturnValue:
    """Tell that the API serves, whether the engine runs, and which delegates are connected."""
    with backend().read() as connection:
        account = backend().settings.account_id
        rows = delegate_rows.list_delegates(connection, account)
        active = execution_rows.active_execution_ids(connection)
        lease = leases.get_lease(connection, "engine")
    engine = "running" if lease is not None and lease.until > now() else "stopped"
    connected = [row.name for row in rows if row.is_connected(now())]
    return jsonify(status="ok", engine=engine, delegates=connected, activeExecutions=len(active))


def _prefix(blueprint: object) -> str:
    return str(getattr(blueprint, "url_prefix", ""))


def _authenticate() -> None:
    path = request.path
    _refuse_foreign_pages()
    if path == "/" or path.startswith((*_OPEN_PREFIXES, *_WEBHOOKS)):
        return
    if path.startswith("/log-service") and request.headers.get("Authorization"):
        agent.authorize_delegate()
        return
    expected = backend().settings.api_key.get_secret_value()
    given = request.headers.get("x-api-key", "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        what = "missing" if not given else "not valid"
        message = f"The API key in header x-api-key is {what}."
        raise HarnessError("INVALID_TOKEN", message, status=401)
    request_scope()


def _refuse_foreign_pages() -> None:
    """Refuse what a page of another site sent through a person's browser; clients send no Origin.

    Raises:
        HarnessError: ACCESS_DENIED (403).
    """
    origin = request.headers.get("Origin")
    if origin and origin.lower() != f"{request.scheme}://{request.host}".lower():
        raise HarnessError("ACCESS_DENIED", f"Origin [{origin}] may not call this.", status=403)


def _harness_error(error: HarnessError) -> ResponseReturnValue:
    metadata: dict[str, object] | None = None
    if isinstance(error, YamlInvalidError):
        metadata = {
            "type": "YamlSchemaErrorWrapperDTO",
            "schemaErrors": [pipelines.problem_wire(problem) for problem in error.problems],
        }
    return _envelope(error.code, error.message, error.status, metadata)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    if status in {404, 405}:
        text = f"NotImplemented: this sandbox has no {request.method} {request.path}"
        return _envelope("RESOURCE_NOT_FOUND_EXCEPTION", text, 404, None)
    return _envelope("INVALID_REQUEST", error.description or error.name, status, None)


def _crash(error: Exception) -> ResponseReturnValue:
    # Harness's clients retry 5xx ten times: a fault of ours must not look like a busy server.
    log.error("request_failed", path=request.path, exc_info=error)
    return _envelope("UNKNOWN_ERROR", f"{type(error).__name__}: {error}", 400, None)


def _envelope(
    code: str, message: str, status: int, metadata: dict[str, object] | None
) -> tuple[Response, int]:
    body = jsonify(
        status="ERROR",
        code=code,
        message=message,
        correlationId=str(uuid.uuid4()),
        detailedMessage=None,
        responseMessages=[
            {
                "code": code,
                "level": "ERROR",
                "message": message,
                "exception": None,
                "failureTypes": [],
            }
        ],
        metadata=metadata,
    )
    return body, status
