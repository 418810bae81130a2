"""Rendering: a page as HTML or as its JSON twin, and the filters that templates use."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from urllib.parse import quote

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from fake_harness.api.pipelines import require_pipeline
from fake_harness.api.wire import Scope, backend, now
from fake_harness.console.guard import FIELD, form_token
from fake_harness.console.lists import health
from fake_harness.console.looks import LOOKS
from fake_harness.console.run_form import RunField, run_fields
from fake_harness.console.text import ago, duration
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.yaml_source import load_yaml
from fake_harness.status import Status
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKind, EntityQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """The form that runs a pipeline, with what was entered and what was wrong."""

    org: str
    project: str
    identifier: str
    name: str
    fields: tuple[RunField, ...]
    input_sets: tuple[tuple[str, str], ...]
    """identifier, name"""
    chosen_sets: tuple[str, ...]
    stages: tuple[tuple[str, str], ...]
    chosen_stages: tuple[str, ...]
    notes: str
    faults: tuple[str, ...] = ()


def show(template: str, page: object, *, status: int = 200) -> ResponseReturnValue:
    """Answer a page: JSON when the URL ends so, else HTML."""
    if request.path.endswith(".json"):
        return Response(
            json.dumps(as_json(page), indent=2) + "\n",
            status=status,
            content_type="application/json",
        )
    source = backend()
    with source.read() as connection:
        head = health(connection, source, now())
    html = render_template(
        f"console/{template}", page=page, head=head, now=now(), **_TOOLS, status_code=status
    )
    return Response(html, status=status, content_type="text/html; charset=utf-8")


def as_json(value: object) -> object:
    """Return a page as JSON: statuses by wire name, moments in ISO 8601."""
    if isinstance(value, Status | datetime):
        return value.wire if isinstance(value, Status) else value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [as_json(item) for item in value]
    return value if isinstance(value, bool | int | float) else None


def run_page(scope: Scope, identifier: str) -> RunPage:
    """Read what the run form asks for."""
    with backend().read() as connection:
        entity = require_pipeline(connection, scope, identifier)
        sets = tuple(
            (item.identifier, item.name)
            for kind in (EntityKind.INPUT_SET, EntityKind.OVERLAY_INPUT_SET)
            for item in entities.list_all(connection, _children(kind, entity))
        )
    return RunPage(
        org=scope.org,
        project=scope.project,
        identifier=identifier,
        name=entity.name,
        fields=run_fields(entity.yaml),
        input_sets=sets,
        chosen_sets=(),
        stages=tuple(_stages(load_yaml(entity.yaml).root("pipeline").get("stages"))),
        chosen_stages=(),
        notes="",
    )


def entered(page: RunPage, values: Mapping[str, str]) -> tuple[RunField, ...]:
    """Return the fields with what was entered."""
    return tuple(replace(field, value=values.get(field.name, "")) for field in page.fields)


def _children(kind: EntityKind, pipeline: Entity) -> EntityQuery:
    key = pipeline.key
    return EntityQuery(
        kind=kind, account=key.account, org=key.org, project=key.project, parent=key.identifier
    )


def _stages(items: object) -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for item in items if isinstance(items, list) else []:
        inner = item.get("stage") if isinstance(item, Mapping) else None
        if isinstance(inner, Mapping):
            identifier = str(inner.get("identifier", ""))
            found.append((identifier, str(inner.get("name") or identifier)))
        elif isinstance(item, Mapping):
            found += _stages(item.get("parallel"))
    return found


def _span(started: datetime | None, ended: datetime | None) -> str:
    return duration((ended or now()) - started) if started else ""


def _ms(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _query(**changes: object) -> str:
    """Return this page's query with some members changed; empty ones are left out."""
    members: JsonObject = {**request.args.to_dict(), **changes}
    pairs = [(key, str(value)) for key, value in members.items() if value not in {"", None}]
    return (
        "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs) if pairs else "?"
    )


_TOOLS = {
    "ago": ago,
    "csrf_field": FIELD,
    "csrf_token": form_token,
    "iso": _iso,
    "look": LOOKS.__getitem__,
    "looks": LOOKS,
    "ms": _ms,
    "query": _query,
    "span": _span,
}
