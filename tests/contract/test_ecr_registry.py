"""The registry as clients that we did not write use it: oras, skopeo and plain HTTP."""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import oras.client
import pytest
import requests
from ecr_server import ACCOUNT, EcrServer, serve
from gateway_server import GatewayServer

LAYER = gzip.compress(b"layer content", mtime=0)
LAYER_DIGEST = f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EcrServer]:
    made = serve(tmp_path / "state")
    made.client().create_repository(repositoryName="app")
    yield made
    made.stop()


@pytest.fixture
def http(server: EcrServer) -> requests.Session:
    session = requests.Session()
    session.auth = ("AWS", password(server))
    return session


def password(server: EcrServer) -> str:
    (data,) = server.client().get_authorization_token()["authorizationData"]
    return base64.b64decode(data["authorizationToken"]).decode().removeprefix("AWS:")


def push_blob(http: requests.Session, server: EcrServer, body: bytes, name: str = "app") -> str:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    url = f"{server.url}/v2/{name}/blobs/uploads/?digest={digest}"
    assert http.post(url, data=body).status_code == 201
    return digest


def push_manifest(
    http: requests.Session, server: EcrServer, reference: str, *, name: str = "app", **extra: Any
) -> requests.Response:
    config = push_blob(http, server, b"{}", name)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config,
            "size": 2,
        },
        "layers": [],
        **extra,
    }
    url = f"{server.url}/v2/{name}/manifests/{reference}"
    return http.put(url, json.dumps(document), headers={"Content-Type": OCI})


def error_code(answer: requests.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


def test_oras_pushes_and_pulls(server: EcrServer, tmp_path: Path) -> None:
    client = oras.client.OrasClient(hostname=server.host, insecure=True, auth_backend="basic")
    client.auth.set_basic_auth("AWS", password(server))
    source = tmp_path / "artifact.txt"
    source.write_text("from oras")
    target = f"{server.image_host()}/app:oras"
    client.push(target=target, files=[str(source)], disable_path_validation=True)
    pulled = client.pull(target=target, outdir=str(tmp_path / "pulled"))
    assert [Path(p).read_text() for p in pulled] == ["from oras"]
    (detail,) = server.client().describe_images(repositoryName="app")["imageDetails"]
    assert detail["imageTags"] == ["oras"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo on PATH")
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_skopeo_copies_in_and_out_by_digest(server: EcrServer, tmp_path: Path, form: str) -> None:
    layout = tmp_path / "in"
    write_layout(layout)
    credentials = f"AWS:{password(server)}"
    remote = f"docker://{server.image_host()}/app"
    skopeo = ["skopeo", "--insecure-policy", "copy", "--quiet"]
    run([*skopeo, "--format", form, "--dest-tls-verify=false", "--dest-creds", credentials,
         f"oci:{layout}:v1", f"{remote}:v1"])  # fmt: skip
    digest = server.client().describe_images(repositoryName="app")["imageDetails"][0]["imageDigest"]
    out = tmp_path / "out"
    run([*skopeo, "--src-tls-verify=false", "--src-creds", credentials,
         f"{remote}@{digest}", f"dir:{out}"])  # fmt: skip
    assert (out / LAYER_DIGEST.removeprefix("sha256:")).read_bytes() == LAYER
    assert f"sha256:{hashlib.sha256((out / 'manifest.json').read_bytes()).hexdigest()}" == digest


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo on PATH")
def test_pushed_image_survives_kill_9_of_the_whole_gateway(tmp_path: Path) -> None:
    layout, out = tmp_path / "in", tmp_path / "out"
    write_layout(layout)
    gateway = GatewayServer(tmp_path / "home")
    gateway.start()
    try:
        aws = [str(Path(sys.executable).with_name("aws")), "ecr"]
        run([*aws, "create-repository", "--repository-name", "app"], gateway.environment)
        secret = run([*aws, "get-login-password"], gateway.environment).strip()
        host = f"127.0.0.1:{gateway.port}"
        authfile = f"--authfile={tmp_path / 'auth.json'}"
        login = ["skopeo", "login", authfile, "--tls-verify=false", "-u", "AWS", "-p", secret]
        run([*login, host])
        remote = f"docker://{host}/{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/app:v1"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", authfile]
        run([*copy, "--dest-tls-verify=false", f"oci:{layout}:v1", remote])
        gateway.kill()
        gateway.start()
        run([*copy, "--src-tls-verify=false", remote, f"dir:{out}"])
    finally:
        gateway.kill()
    assert (out / LAYER_DIGEST.removeprefix("sha256:")).read_bytes() == LAYER


def run(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_layout(root: Path) -> None:
    """Write an OCI image layout with one image, tagged v1."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(body: bytes, media_type: str) -> dict[str, object]:
        name = hashlib.sha256(body).hexdigest()
        (blobs / name).write_bytes(body)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(body)}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(gzip.decompress(LAYER)).hexdigest()}"],
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(LAYER, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    entry = blob(json.dumps(manifest).encode(), OCI)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@pytest.mark.parametrize("auth", [None, ("AWS", "wrong"), ("root", "wrong")])
def test_no_valid_token_is_challenged(server: EcrServer, auth: tuple[str, str] | None) -> None:
    answer = requests.get(f"{server.url}/v2/", auth=auth, timeout=30)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith(f'Basic realm="{server.url}/"')


def test_upload_in_chunks_continues_where_it_ended(
    server: EcrServer, http: requests.Session
) -> None:
    start = http.post(f"{server.url}/v2/app/blobs/uploads/")
    assert start.status_code == 202
    where = server.url + start.headers["Location"]
    first = http.patch(where, data=LAYER[:5], headers={"Content-Range": "0-4"})
    assert (first.status_code, first.headers["Range"]) == (202, "0-4")
    gap = http.patch(where, data=LAYER[9:], headers={"Content-Range": f"9-{len(LAYER) - 1}"})
    assert (gap.status_code, gap.headers["Range"]) == (416, "0-4")
    assert http.get(where).headers["Range"] == "0-4"
    http.patch(where, data=iter([LAYER[5:7], LAYER[7:]]))
    done = http.put(where, params={"digest": LAYER_DIGEST})
    assert done.status_code == 201
    got = http.get(server.url + done.headers["Location"], headers={"Range": "bytes=6-"})
    assert (got.status_code, got.content) == (206, LAYER[6:])
    head = http.head(f"{server.url}/v2/app/blobs/{LAYER_DIGEST}")
    assert head.headers["Content-Length"] == str(len(LAYER))


def test_content_that_is_not_its_digest_is_refused(
    server: EcrServer, http: requests.Session
) -> None:
    url = f"{server.url}/v2/app/blobs/uploads/?digest={LAYER_DIGEST}"
    answer = http.post(url, data=b"something else")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
    assert http.head(f"{server.url}/v2/app/blobs/{LAYER_DIGEST}").status_code == 404


def test_cancelled_upload_is_gone(server: EcrServer, http: requests.Session) -> None:
    where = server.url + http.post(f"{server.url}/v2/app/blobs/uploads/").headers["Location"]
    assert http.delete(where).status_code == 204
    assert error_code(http.patch(where, data=b"x")) == "BLOB_UPLOAD_UNKNOWN"


def test_blob_belongs_to_its_repository_until_it_is_mounted(
    server: EcrServer, http: requests.Session
) -> None:
    server.client().create_repository(repositoryName="other")
    push_blob(http, server, LAYER)
    blob = f"{server.url}/v2/other/blobs/{LAYER_DIGEST}"
    assert http.head(blob).status_code == 404
    uploads = f"{server.url}/v2/other/blobs/uploads/"
    wrong = http.post(uploads, params={"mount": f"sha256:{'0' * 64}", "from": "app"})
    assert wrong.status_code == 202
    mounted = http.post(uploads, params={"mount": LAYER_DIGEST, "from": "app"})
    assert mounted.status_code == 201
    assert http.get(blob).content == LAYER


def test_manifest_without_its_blobs_is_refused(server: EcrServer, http: requests.Session) -> None:
    layers = [{"mediaType": "x", "digest": LAYER_DIGEST, "size": len(LAYER)}]
    answer = push_manifest(http, server, "v1", layers=layers)
    assert (answer.status_code, error_code(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert LAYER_DIGEST in answer.text


def test_unknown_repository_is_named(server: EcrServer, http: requests.Session) -> None:
    answer = http.post(f"{server.url}/v2/nope/blobs/uploads/")
    assert (answer.status_code, error_code(answer)) == (404, "NAME_UNKNOWN")
    assert f"'nope' does not exist in the registry with id '{ACCOUNT}'" in answer.text


def test_immutable_tag_takes_only_its_own_image_again(
    server: EcrServer, http: requests.Session
) -> None:
    server.client().put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    assert push_manifest(http, server, "v1").status_code == 201
    assert push_manifest(http, server, "v1").status_code == 201
    answer = push_manifest(http, server, "v1", annotations={"a": "b"})
    assert (answer.status_code, error_code(answer)) == (400, "TAG_INVALID")
    assert "cannot be overwritten because the tag is immutable" in answer.text


def test_index_lists_images_and_weighs_as_the_heaviest(
    server: EcrServer, http: requests.Session
) -> None:
    layer = {"mediaType": "x", "digest": push_blob(http, server, LAYER), "size": len(LAYER)}
    children = []
    for layers in ([], [layer]):
        pushed = push_manifest(http, server, "child", layers=layers)
        digest = pushed.headers["Docker-Content-Digest"]
        children.append({"mediaType": OCI, "digest": digest, "size": 1})
    kind = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": kind, "manifests": children}
    url = f"{server.url}/v2/app/manifests/multi"
    assert http.put(url, json.dumps(index), headers={"Content-Type": kind}).status_code == 201
    ecr = server.client()
    wanted = [{"imageTag": "multi"}]
    (detail,) = ecr.describe_images(repositoryName="app", imageIds=wanted)["imageDetails"]
    assert detail["imageSizeInBytes"] == len(LAYER) + 2
    child = [{"imageDigest": children[0]["digest"]}]
    deleted = ecr.batch_delete_image(repositoryName="app", imageIds=child)
    assert deleted["failures"][0]["failureCode"] == "ImageReferencedByManifestList"


def test_referrers_list_artifacts_of_an_image(server: EcrServer, http: requests.Session) -> None:
    pushed = push_manifest(http, server, "v1")
    subject = {
        "mediaType": OCI,
        "digest": pushed.headers["Docker-Content-Digest"],
        "size": len(pushed.request.body or b""),
    }
    push_manifest(http, server, "sbom", subject=subject, artifactType="application/spdx+json")
    url = f"{server.url}/v2/app/referrers/{subject['digest']}"
    found = http.get(url, params={"artifactType": "application/spdx+json"}).json()["manifests"]
    assert [item["artifactType"] for item in found] == ["application/spdx+json"]
    assert http.get(url, params={"artifactType": "x"}).json()["manifests"] == []


def test_tags_come_in_pages(server: EcrServer, http: requests.Session) -> None:
    for tag in ("a", "b", "c"):
        push_manifest(http, server, tag)
    first = http.get(f"{server.url}/v2/app/tags/list", params={"n": 2})
    assert first.json() == {"name": "app", "tags": ["a", "b"]}
    following = first.links["next"]["url"]
    assert http.get(server.url + following).json()["tags"] == ["c"]


def test_path_with_an_ecr_host_chooses_the_region(
    server: EcrServer, http: requests.Session
) -> None:
    server.client("eu-west-1").create_repository(repositoryName="app")
    name = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app"
    push_manifest(http, server, "v1", name=name)
    assert server.client().list_images(repositoryName="app")["imageIds"] == []
    assert len(server.client("eu-west-1").list_images(repositoryName="app")["imageIds"]) == 1
    names = http.get(f"{server.url}/v2/_catalog").json()["repositories"]
    assert names == sorted(["app", name])
    foreign = http.get(
        f"{server.url}/v2/111111111111.dkr.ecr.us-east-1.amazonaws.com/app/tags/list"
    )
    assert error_code(foreign) == "NAME_UNKNOWN"


def test_resolver_understands_every_spelling(server: EcrServer, http: requests.Session) -> None:
    digest = push_manifest(http, server, "v1").headers["Docker-Content-Digest"]
    images = server.plane.images
    for reference in (
        f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/app:v1",
        f"{server.image_host()}/app:v1",
        f"{server.host}/app:v1",
        f"{server.image_host()}/app@{digest}",
        f"{server.image_host()}/app:gone@{digest}",
    ):
        assert images.owns(reference)
        resolved = images.resolve(reference)
        assert (resolved.digest, resolved.repository_name) == (digest, "app")
        assert json.loads(images.manifest(resolved))["mediaType"] == OCI
    for reference in ("nginx:latest", "111111111111.dkr.ecr.us-east-1.amazonaws.com/app:v1"):
        assert not images.owns(reference)
