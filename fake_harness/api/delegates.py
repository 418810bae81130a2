"""Delegates and their tokens as people manage them.

Source: `/ng/api/delegate-setup`, `/ng/api/delegate-token-ng` (resource envelope).
"""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import SYSTEM_USER, backend, millis, now, request_scope, resource
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.settings import new_token
from fake_harness.store import delegate_tasks, delegates
from fake_harness.store.delegates import DelegateToken

blueprint = Blueprint("delegates", __name__, url_prefix="/ng/api")


@blueprint.post("/delegate-setup/listDelegates")
@blueprint.get("/delegate-setup/listDelegates")
def list_delegates() -> ResponseReturnValue:
    """List delegates with their tags and whether they are connected."""
    moment = now()
    with backend().read() as connection:
        rows = [
            {
                "type": row.type,
                "name": row.name,
                "delegateId": row.id,
                "tags": list(row.tags),
                "lastHeartBeat": millis(row.heartbeat_at),
                "activelyConnected": row.is_connected(moment),
                "connected": row.is_connected(moment),
                "version": row.version,
                "hostName": row.host_name,
                "tokenName": row.token_name,
                "runningTasks": len(delegate_tasks.list_running(connection, row.id)),
            }
            for row in delegates.list_delegates(connection, request_scope().account)
        ]
    return resource(rows)


@blueprint.post("/delegate-token-ng")
def create_token() -> ResponseReturnValue:
    """Create a token; its value is answered here only."""
    scope, value = request_scope(), new_token()
    token = DelegateToken(
        account=scope.account,
        org=scope.org,
        project=scope.project,
        name=_name(),
        status="ACTIVE",
        created_at=now(),
        created_by=SYSTEM_USER["identifier"],
    )
    with backend().write() as connection:
        delegates.create_token(connection, token, value, cipher=backend().cipher)
    return resource({**_wire(token), "value": value})


@blueprint.get("/delegate-token-ng")
def list_tokens() -> ResponseReturnValue:
    """List tokens by name and status."""
    with backend().read() as connection:
        rows = delegates.list_tokens(
            connection,
            request_scope().account,
            status=request.args.get("status", ""),
            name=request.args.get("name", ""),
        )
    return resource([_wire(row) for row in rows])


@blueprint.put("/delegate-token-ng")
def revoke_token() -> ResponseReturnValue:
    """Revoke a token."""
    scope, name = request_scope(), _name()
    with backend().write() as connection:
        if not delegates.revoke_token(
            connection, scope.account, name, org=scope.org, project=scope.project
        ):
            raise HarnessError(
                "RESOURCE_NOT_FOUND_EXCEPTION", f"No active delegate token [{name}].", status=404
            )
        rows = delegates.list_tokens(connection, scope.account, name=name)
    return resource(_wire(rows[0]))


def _name() -> str:
    name = request.args.get("tokenName", "")
    if not name:
        raise HarnessError("INVALID_REQUEST", "tokenName: must not be empty")
    return name


def _wire(token: DelegateToken) -> JsonObject:
    return {
        "uuid": token.name,
        "accountId": token.account,
        "name": token.name,
        "status": token.status,
        "createdAt": millis(token.created_at),
        "createdBy": token.created_by,
    }
