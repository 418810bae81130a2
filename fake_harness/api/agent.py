"""The manager side of the delegate protocol: register, poll, acquire, report.

Paths as the real agent's; bodies are JSON instead of Kryo (docs/architecture.md).
"""

import math
import time

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.wire import backend, json_body, now, resource, text
from fake_harness.delegate_token import verify
from fake_harness.errors import HarnessError
from fake_harness.store import delegate_tasks, delegates, executions
from fake_harness.store.delegates import Delegate, Registration
from fake_harness.store.markers import SecretScope, with_secrets

blueprint = Blueprint("agent", __name__, url_prefix="/api")

_LONGEST_POLL_S = 25.0


def authorize_delegate() -> str:
    """Return the name of the token that the caller proved to hold.

    Raises:
        HarnessError: no active token opens the caller's proof (401).
    """
    header = request.headers.get("Authorization", "")
    account = backend().settings.account_id
    with backend().read() as connection:
        tokens = delegates.reveal_tokens(connection, account, cipher=backend().cipher)
    for name, value in {
        "default_token": backend().settings.delegate_token.get_secret_value(),
        **tokens,
    }.items():
        if verify(header, value, account_id=account):
            return name
    raise HarnessError("INVALID_TOKEN", "The delegate token is not valid.", status=401)


@blueprint.before_request
def _authorize() -> None:
    g.token_name = authorize_delegate()


@blueprint.post("/agent/delegates/register")
def register() -> ResponseReturnValue:
    """Register a delegate; the same name gets the same id."""
    body = json_body()
    registration = Registration(
        name=text(body, "delegateName"),
        host_name=text(body, "hostName", ""),
        version=text(body, "version", ""),
        type=text(body, "delegateType", ""),
        token_name=g.token_name,
        tags=_strings(body.get("tags")),
        supported_task_types=_strings(body.get("supportedTaskTypes")),
    )
    with backend().write() as connection:
        row = delegates.register(connection, backend().settings.account_id, registration, now=now())
    return resource({"delegateId": row.id, "action": None, "migrateUrl": None})


@blueprint.post("/agent/delegates/heartbeat-with-polling")
def heartbeat() -> ResponseReturnValue:
    """Note that a delegate lives and renew the leases of its tasks."""
    identifier = text(json_body(), "delegateId")
    with backend().write() as connection:
        _require(connection, identifier)
        delegates.heartbeat(connection, identifier, now=now())
        delegate_tasks.renew_leases(connection, identifier, now=now())
    return resource({"delegateId": identifier})


@blueprint.get("/agent/delegates/<delegate_id>/task-events")
def task_events(delegate_id: str) -> ResponseReturnValue:
    """Answer tasks to take up or to stop; waits up to `waitSeconds` for the first."""
    known = set(request.args.getlist("known"))
    deadline = time.monotonic() + _wait_seconds()
    while True:
        mark = backend().changes.mark()
        with backend().read() as connection:
            row = _require(connection, delegate_id)
            offers = delegate_tasks.offers(connection, row, now=now())
        fresh = [o for o in offers if o.abort or o.task_id not in known]
        left = deadline - time.monotonic()
        if fresh or left <= 0:
            break
        backend().changes.wait(mark, left)
    rows = [{"delegateTaskId": o.task_id, "abort": o.abort} for o in fresh]
    return jsonify(delegateTaskEvents=rows)


@blueprint.put("/agent/delegates/<delegate_id>/tasks/<task_id>/acquire/v2")
def acquire(delegate_id: str, task_id: str) -> ResponseReturnValue:
    """Claim a task and get its package, secrets included."""
    with backend().write() as connection:
        row = _require(connection, delegate_id)
        task = delegate_tasks.acquire(connection, task_id, row, now=now())
        if task is None:
            message = f"Task [{task_id}] is not free for delegate [{row.name}]."
            raise HarnessError("INVALID_REQUEST", message, status=409)
        execution = executions.require_execution(connection, task.plan_execution_id)
        scope = SecretScope(account=execution.account, org=execution.org, project=execution.project)
        named = {**task.package, "taskId": task.id, "taskType": task.type}
        package = with_secrets(connection, named, scope, cipher=backend().cipher)
    return jsonify(package)


@blueprint.put("/agent/delegates/<delegate_id>/tasks/<task_id>/progress")
def progress(delegate_id: str, task_id: str) -> ResponseReturnValue:
    """Keep the progress of a running task."""
    with backend().write() as connection:
        kept = delegate_tasks.set_progress(connection, task_id, delegate_id, json_body(), now=now())
    return resource(kept)


@blueprint.post("/agent/tasks/<task_id>/delegates/<delegate_id>/v2")
def report(task_id: str, delegate_id: str) -> ResponseReturnValue:
    """Store a task's result; safe to repeat."""
    with backend().write() as connection:
        kept = delegate_tasks.complete(
            connection, task_id, delegate_id, json_body(), now=now(), cipher=backend().cipher
        )
    if not kept:
        message = f"Task [{task_id}] is not delegate [{delegate_id}]'s."
        raise HarnessError("INVALID_REQUEST", message, status=409)
    return resource(value=True)


def _wait_seconds() -> float:
    text_ = request.args.get("waitSeconds", "0")
    try:
        wait = float(text_)
    except ValueError:
        wait = math.nan
    if not wait >= 0:
        raise HarnessError("INVALID_REQUEST", f"waitSeconds: [{text_}] is not a number of seconds")
    return min(wait, _LONGEST_POLL_S)


def _require(connection: Connection, delegate_id: str) -> Delegate:
    row = delegates.get_delegate(connection, delegate_id)
    if row is None:
        message = f"Delegate [{delegate_id}] is not registered."
        raise HarnessError("DELEGATE_NOT_REGISTERED", message, status=404)
    return row


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
