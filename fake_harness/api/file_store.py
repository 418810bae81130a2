"""The file store: manifests and scripts by path. Source: NG API, `/ng/api/file-store`."""

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from fake_harness.api.wire import Scope, backend, millis, now, ok, request_scope
from fake_harness.errors import HarnessError
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities, files
from fake_harness.store.entities import Entity, EntityContent, EntityKind, EntityQuery

blueprint = Blueprint("file_store", __name__, url_prefix="/ng/api/file-store")

_ROOT = "Root"


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Create a file or folder from a multipart form."""
    return ok(_save(request.form.get("identifier", ""), exists=False))


@blueprint.put("/<identifier>")
def update(identifier: str) -> ResponseReturnValue:
    """Replace a file or folder."""
    return ok(_save(identifier, exists=True))


@blueprint.get("/<identifier>")
def get(identifier: str) -> ResponseReturnValue:
    """Read one node without its content."""
    with backend().read() as connection:
        return ok(_wire(_require(connection, identifier)))


@blueprint.get("/files/<identifier>/download")
def download(identifier: str) -> ResponseReturnValue:
    """Answer a file's content."""
    with backend().read() as connection:
        body = files.read_content(connection, _require(connection, identifier))
    if body is None:
        raise HarnessError("INVALID_REQUEST", f"[{identifier}] is a folder.")
    return Response(body, content_type="application/octet-stream")


@blueprint.delete("/<identifier>")
def delete(identifier: str) -> ResponseReturnValue:
    """Delete a file, or a folder that is empty."""
    with backend().write() as connection:
        entity = _require(connection, identifier)
        if _children(connection, request_scope(), identifier):
            raise HarnessError("INVALID_REQUEST", f"Folder [{identifier}] is not empty.")
        return ok(entities.remove(connection, entity.key))


@blueprint.post("/folder")
def list_folder() -> ResponseReturnValue:
    """List the nodes right below a folder."""
    body = request.get_json(force=True, silent=True) or {}
    identifier = str(body.get("identifier") or _ROOT)
    with backend().read() as connection:
        children = _children(connection, request_scope(), identifier)
    rows = [_wire(child) for child in children]
    name = str(body.get("name") or identifier)
    return ok({"identifier": identifier, "name": name, "type": "FOLDER", "children": rows})


def _save(identifier: str, *, exists: bool) -> JsonObject:
    form = request.form
    name = form.get("name", "")
    if not identifier or not name:
        raise HarnessError("INVALID_REQUEST", "identifier and name: must not be empty")
    kind = form.get("type", "FILE")
    parent = form.get("parentIdentifier") or _ROOT
    upload = request.files.get("content")
    scope = request_scope()
    with backend().write() as connection:
        path = f"{_path(connection, scope, parent)}/{name}"
        body = {
            "type": kind,
            "parentIdentifier": parent,
            "path": path,
            "fileUsage": form.get("fileUsage"),
            "mimeType": form.get("mimeType"),
        }
        wanted = EntityContent(name=name, description=form.get("description", ""), body=body)
        write = entities.replace if exists else entities.create
        entity = write(connection, scope.key(EntityKind.FILE, identifier), wanted, now=now())
        if kind == "FILE" and upload is not None:
            files.write_content(connection, entity, path=path, content=upload.read())
        return _wire(entity)


def _path(connection: Connection, scope: Scope, identifier: str) -> str:
    if identifier == _ROOT:
        return ""
    folder = entities.require(connection, scope.key(EntityKind.FILE, identifier))
    return str(folder.body["path"])


def _require(connection: Connection, identifier: str) -> Entity:
    return entities.require(connection, request_scope().key(EntityKind.FILE, identifier))


def _children(connection: Connection, scope: Scope, identifier: str) -> tuple[Entity, ...]:
    query = EntityQuery(
        kind=EntityKind.FILE,
        account=scope.account,
        org=scope.org,
        project=scope.project,
        body={"parentIdentifier": identifier},
    )
    return entities.list_all(connection, query)


def _wire(entity: Entity) -> JsonObject:
    return {
        "identifier": entity.identifier,
        "name": entity.name,
        "description": entity.description,
        "type": entity.body["type"],
        "parentIdentifier": entity.body["parentIdentifier"],
        "path": entity.body["path"],
        "fileUsage": entity.body.get("fileUsage"),
        "mimeType": entity.body.get("mimeType"),
        "tags": [],
        "orgIdentifier": entity.key.org or None,
        "projectIdentifier": entity.key.project or None,
        "lastModifiedAt": millis(entity.updated_at),
        "createdAt": millis(entity.created_at),
        "draft": False,
    }
