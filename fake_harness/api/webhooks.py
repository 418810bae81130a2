"""Webhooks in: the event is stored, verified, matched against triggers, and fires executions.

Source: `/ng/api/webhook` (Git providers), `/pipeline/api/webhook/custom`, the v3 custom
route with its token, `triggerExecutionDetails`.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.graph import execution_summary
from fake_harness.api.launch import Launch, launch
from fake_harness.api.wire import Scope, backend, now, ok, request_scope
from fake_harness.errors import HarnessError
from fake_harness.pipeline.expressions import MappingScope, as_raw, render
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.triggers import TriggerMatch, TriggerSpec, match_webhook, parse_trigger
from fake_harness.pipeline.webhooks import WebhookEvent
from fake_harness.store import entities, executions, node_executions, secrets, triggers
from fake_harness.store.entities import Entity, EntityKind, EntityQuery
from fake_harness.store.triggers import WebhookEvent as StoredEvent

blueprint = Blueprint("webhooks", __name__)

_NO_MATCH = "NO_MATCHING_TRIGGER_FOR_REPO"
_REQUESTED = "TARGET_EXECUTION_REQUESTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an event."""

    status: str
    message: str
    execution_ids: tuple[str, ...] = ()


@blueprint.post("/ng/api/webhook")
def git_webhook() -> ResponseReturnValue:
    """Take an event of a Git provider; every trigger of the account may fire."""
    return _accept("Github", request_scope(), pipeline="", trigger="")


@blueprint.post("/pipeline/api/webhook/custom")
@blueprint.post("/pipeline/api/webhook/custom/v2")
@blueprint.post("/pipeline/api/webhook/custom/<token>/v3")
def custom_webhook(token: str = "") -> ResponseReturnValue:
    """Take a custom event for the triggers of one pipeline, or for one trigger."""
    del token  # the sandbox does not make tokens: loopback is the trust boundary
    pipeline = request.args.get("pipelineIdentifier", "")
    trigger = request.args.get("triggerIdentifier", "")
    return _accept("Custom", request_scope(), pipeline=pipeline, trigger=trigger)


@blueprint.get("/pipeline/api/webhook/triggerExecutionDetails/<event_id>")
def execution_details(event_id: str) -> ResponseReturnValue:
    """Tell what an event started."""
    with backend().read() as connection:
        event = _require(connection, event_id)
        summary = None
        if event.execution_ids:
            execution = executions.require_execution(connection, event.execution_ids[0])
            nodes = node_executions.list_nodes(connection, execution.id)
            summary = execution_summary(execution, execution.plan, nodes)
    details = {"pipelineExecutionSummary": summary} if summary else None
    return ok({"webhookProcessingDetails": _details(event), "executionDetails": details})


@blueprint.get("/pipeline/api/webhook/triggerProcessingDetails")
def processing_details() -> ResponseReturnValue:
    """Tell how an event was processed."""
    with backend().read() as connection:
        return ok(_details(_require(connection, request.args.get("eventId", ""))))


def _accept(source: str, scope: Scope, *, pipeline: str, trigger: str) -> ResponseReturnValue:
    """Store the event first, then process it in a transaction of its own."""
    body = request.get_data()
    event = StoredEvent(
        id=uuid.uuid4().hex,
        account=scope.account,
        org=scope.org,
        project=scope.project,
        pipeline=pipeline,
        trigger=trigger,
        source=source,
        headers=dict(request.headers),
        payload=body.decode(errors="replace"),
        created_at=now(),
    )
    with backend().write() as connection:
        triggers.insert_event(connection, event)
    with backend().write() as connection:
        outcome = process(connection, event, body)
        triggers.finish_event(
            connection,
            event.id,
            status=outcome.status,
            message=outcome.message,
            execution_ids=outcome.execution_ids,
            now=now(),
        )
    base = backend().settings.public_url
    api = f"{base}/pipeline/api/webhook/triggerExecutionDetails/{event.id}"
    return ok(
        {
            "eventCorrelationId": event.id,
            "apiUrl": f"{api}?accountIdentifier={scope.account}",
            "uiUrl": f"{base}/console",
            "uiSetupUrl": f"{base}/console",
            "status": outcome.status,
            "message": outcome.message,
        }
    )


def process(connection: Connection, event: StoredEvent, body: bytes) -> Outcome:
    """Fire every trigger that the event matches; a fault of one does not hold up others."""
    try:
        payload = json.loads(event.payload)
    except ValueError:
        return Outcome(status="INVALID_PAYLOAD", message="The payload is no JSON.")
    if not isinstance(payload, Mapping):
        return Outcome(status="INVALID_PAYLOAD", message="The payload is no JSON object.")
    wire_event = WebhookEvent(headers=event.headers, payload=payload)
    fired: list[str] = []
    notes: list[str] = []
    for entity in _candidates(connection, event):
        try:
            note = _try(connection, entity, wire_event, body)
        except HarnessError as error:
            note = error.message
        if isinstance(note, str):
            notes.append(f"{entity.identifier}: {note}")
        else:
            fired.append(note[0])
    message = "; ".join(notes)
    if fired:
        return Outcome(status=_REQUESTED, message=message, execution_ids=tuple(fired))
    return Outcome(status=_NO_MATCH, message=message or "There is no webhook trigger.")


def _try(
    connection: Connection,
    entity: Entity,
    wire_event: WebhookEvent,
    body: bytes,
) -> str | tuple[str]:
    """Return why the trigger does not fire, or (as a tuple) the execution that it started."""
    trigger = parse_trigger(entity.yaml)
    scope = Scope(account=entity.key.account, org=entity.key.org, project=entity.key.project)
    url = _connector_url(connection, scope, trigger.connector_ref)
    found = match_webhook(trigger, wire_event, connector_url=url)
    if not isinstance(found, TriggerMatch):
        return found.reason
    if not _is_signed(connection, scope, trigger, wire_event, body):
        return "the signature does not match the trigger's webhook secret"
    wish = Launch(
        scope=scope,
        pipeline=trigger.pipeline_identifier,
        inputs_yaml=_inputs(trigger, found),
        input_sets=trigger.input_set_refs,
        trigger_type=found.trigger_type,
        triggered_by=_who(found),
        trigger=found.context,
        codebase=found.codebase,
        stages=trigger.stages_to_execute,
    )
    return (launch(connection, wish).id,)


def _candidates(connection: Connection, event: StoredEvent) -> tuple[Entity, ...]:
    query = EntityQuery(
        kind=EntityKind.TRIGGER,
        account=event.account,
        org=event.org or None,
        project=event.project or None,
        parent=event.pipeline or None,
        identifiers=(event.trigger,) if event.trigger else None,
    )
    return entities.list_all(connection, query)


def _inputs(trigger: TriggerSpec, found: TriggerMatch) -> str:
    if not trigger.input_yaml:
        return ""
    raw = as_raw(found.context)
    scope = MappingScope({"trigger": raw, "eventPayload": as_raw(found.context.get("payload"))})
    return str(render(trigger.input_yaml, scope, unresolved="keep"))


def _connector_url(connection: Connection, scope: Scope, reference: str) -> str:
    if not reference:
        return ""
    entity = entities.get(connection, scope.reference(EntityKind.CONNECTOR, reference))
    spec = entity.body.get("spec") if entity else None
    if not isinstance(spec, Mapping) or spec.get("type") != "Repo":
        return ""
    return str(spec.get("url") or "")


def _is_signed(
    connection: Connection, scope: Scope, trigger: TriggerSpec, event: WebhookEvent, body: bytes
) -> bool:
    """Check `X-Hub-Signature-256` under the trigger's secret; without a secret all pass.

    Source: GitHub, "Validating webhook deliveries".
    """
    if not trigger.secret_identifier:
        return True
    key = scope.reference(EntityKind.SECRET, trigger.secret_identifier)
    secret = secrets.reveal(connection, key, cipher=backend().cipher)
    if secret is None:
        raise HarnessError(
            "INVALID_REQUEST", f"Webhook secret [{trigger.secret_identifier}] has no value."
        )
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), event.header("X-Hub-Signature-256").encode())


def _who(found: TriggerMatch) -> dict[str, str]:
    user = str(found.context.get("gitUser") or "webhook")
    uid = base64.urlsafe_b64encode(hashlib.sha256(user.encode()).digest()[:16]).decode()
    return {"identifier": user, "uuid": uid.rstrip("="), "name": user}


def _require(connection: Connection, event_id: str) -> StoredEvent:
    event = triggers.get_event(connection, event_id)
    if event is None:
        message = f"Webhook event [{event_id}] not found"
        raise HarnessError("RESOURCE_NOT_FOUND_EXCEPTION", message, status=404)
    return event


def _details(event: StoredEvent) -> JsonObject:
    return {
        "eventFound": True,
        "eventId": event.id,
        "accountIdentifier": event.account,
        "pipelineExecutionId": next(iter(event.execution_ids), None),
        "exceptionOccured": event.status not in {_REQUESTED, _NO_MATCH, "QUEUED"},
        "status": event.status,
        "message": event.message,
        "payload": event.payload,
        "eventCreatedAt": int(event.created_at.timestamp() * 1000),
    }
