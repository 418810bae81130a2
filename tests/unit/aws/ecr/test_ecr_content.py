import io
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.aws.ecr.blobs import BlobStore, DigestMismatchError, UploadUnknownError
from sandbox.aws.ecr.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    ManifestError,
    digest_of,
    parse_manifest,
)
from sandbox.aws.ecr.tokens import TokenMint

CONFIG = {"mediaType": "c", "digest": f"sha256:{'1' * 64}", "size": 3}
LAYER = {"mediaType": "l", "digest": f"sha256:{'2' * 64}", "size": 5}


@pytest.mark.parametrize(
    ("content_type", "document", "expected"),
    [
        ("", {"config": CONFIG}, OCI_MANIFEST),
        ("", {"manifests": [LAYER]}, OCI_INDEX),
        (DOCKER_MANIFEST, {"config": CONFIG}, DOCKER_MANIFEST),
        (f"{DOCKER_LIST}; charset=utf-8", {"manifests": []}, DOCKER_LIST),
        ("application/json", {"config": CONFIG, "mediaType": OCI_MANIFEST}, OCI_MANIFEST),
    ],
)
def test_media_type_is_found(content_type: str, document: dict[str, object], expected: str) -> None:
    body = json.dumps({"schemaVersion": 2, **document}).encode()
    assert parse_manifest(body, content_type).media_type == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"schemaVersion": 1, "config": {}}', "not supported"),
        (b'{"schemaVersion": 2, "mediaType": "text/plain"}', "not supported"),
        (b'{"schemaVersion": 2}', "no config"),
        (b'{"schemaVersion": 2, "config": {"digest": "sha256:1", "size": 1}}', "config needs"),
    ],
)
def test_bad_manifest_is_refused_with_the_reason(body: bytes, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        parse_manifest(body)


def test_upload_becomes_a_blob_only_under_its_own_digest(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    upload = blobs.start_upload()
    blobs.append(upload, io.BytesIO(b"abc"))
    with pytest.raises(DigestMismatchError):
        blobs.finish(upload, digest_of(b"other"))
    assert blobs.finish(upload, digest_of(b"abc")) == 3
    assert blobs.read(digest_of(b"abc")) == b"abc"


@pytest.mark.parametrize("upload_id", ["../../etc/passwd", "", "0" * 32])
def test_upload_id_is_no_path(tmp_path: Path, upload_id: str) -> None:
    with pytest.raises(UploadUnknownError):
        BlobStore(tmp_path).append(upload_id, io.BytesIO(b"x"))


def test_garbage_goes_when_it_is_old(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    old, wanted, fresh = (blobs.write(body) for body in (b"old", b"wanted", b"fresh"))
    two_hours_ago = time.time() - 7200
    for digest in (old, wanted):
        os.utime(blobs.path(digest), (two_hours_ago, two_hours_ago))
    assert blobs.collect({wanted}) == 1
    assert [blobs.size(digest) for digest in (old, wanted, fresh)] == [None, 6, 5]


def test_token_of_another_key_or_time_is_refused() -> None:
    clock = [datetime(2026, 11, 1, tzinfo=UTC)]
    mint = TokenMint(b"key", lambda: clock[0])
    header = f"Basic {mint.issue().value}"
    assert mint.accepts(header)
    assert not TokenMint(b"other", lambda: clock[0]).accepts(header)
    assert not mint.accepts(header.replace("Basic", "Bearer"))
    assert not mint.accepts("Basic ???")
    clock[0] += timedelta(hours=12)
    assert not mint.accepts(header)
    signature = mint.sign_download("/v2/a")
    assert mint.opens_download("/v2/a", signature)
    assert not mint.opens_download("/v2/b", signature)
