"""Images of the kind that the builder makes, put into an ECR without a network."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from werkzeug.test import Client

from sandbox.aws.builder.oci import MANIFEST_TYPE, BuiltImage, Entry, image, write_layer
from sandbox.aws.builder.plan import ImageSettings
from sandbox.aws.ecr.plane import EcrPlane
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import RequestContext, WireRequest

ACCOUNT = "000000000000"
HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


def make_plane(state: Path) -> EcrPlane:
    state.mkdir(parents=True, exist_ok=True)
    return EcrPlane(
        store=RecordStore(state / "store.db"), blob_dir=state / "blobs", account_id=ACCOUNT
    )


def make_image(
    folder: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    settings: ImageSettings | None = None,
    labels: Mapping[str, str] | None = None,
) -> BuiltImage:
    folder.mkdir(parents=True, exist_ok=True)
    entries = [Entry(name=name, content=body) for name, body in (files or {}).items()]
    layer = write_layer(entries, folder / "layer.tar.gz", created_by="test")
    wanted = {"sandbox.buildpack": "python"} if labels is None else labels
    return image(settings or ImageSettings(), [layer], wanted)


def call(plane: EcrPlane, operation: str, body: str) -> bytes:
    answer = plane.service.handle(
        RequestContext(account_id=ACCOUNT, region="us-east-1"),
        WireRequest(
            method="POST",
            path="/",
            query_string="",
            headers={"X-Amz-Target": f"AmazonEC2ContainerRegistry_V20150921.{operation}"},
            body=body.encode(),
        ),
    )
    return answer.body


def push(plane: EcrPlane, name: str, built: BuiltImage, tag: str = "v1") -> str:
    """Push and return the reference by tag."""
    call(plane, "CreateRepository", f'{{"repositoryName": "{name}"}}')
    token = call(plane, "GetAuthorizationToken", "{}").decode()
    password = token.partition('"authorizationToken": "')[2].partition('"')[0]
    headers = {"Authorization": f"Basic {password}"}
    assert base64.b64decode(password)
    client = Client(plane.registry)
    for body in (built.config, *(layer.path.read_bytes() for layer in built.layers)):
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        url = f"/v2/{name}/blobs/uploads/?digest={digest}"
        assert client.post(url, data=body, headers=headers).status_code == 201
    done = client.put(
        f"/v2/{name}/manifests/{tag}",
        data=built.manifest,
        headers=headers,
        content_type=MANIFEST_TYPE,
    )
    assert done.status_code == 201, done.text
    return f"{HOST}/{name}:{tag}"
