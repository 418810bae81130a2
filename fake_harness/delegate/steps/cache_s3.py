"""`SaveCacheS3` and `RestoreCacheS3`. Source: drone cache plugin; step reference.

Run twice: saving an existing key is skipped unless `override`; restoring extracts again.
Keys may use `{{ checksum "file" }}`, as the plugin's templates do.
"""

import hashlib
import re
import tarfile
import tempfile
from typing import Any, Literal

import boto3
from botocore.exceptions import ClientError

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult

_CHECKSUM = re.compile(r"\{\{\s*checksum\s+[\"']([^\"']+)[\"']\s*\}\}")
_MODES: dict[str, Literal["w:", "w:gz"]] = {"tar": "w:", "gzip": "w:gz"}


def save_cache(context: StepContext) -> StepResult:
    """Archive `sourcePaths` under the key."""
    bucket, key, client = context.text("bucket"), _object_key(context), _client(context)
    if not context.flag("override") and _exists(client, bucket, key):
        context.log(f"Cache {key} exists already; nothing is saved.")
        return StepResult()
    paths = [context.inside(path) for path in context.strings("sourcePaths")]
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode=_mode(context)) as tar:
            for path in paths:
                if not path.exists():
                    context.log(f"{path.name} does not exist; it is left out.", level="WARN")
                    continue
                tar.add(path, arcname=str(path.relative_to(context.workspace)))
        size = archive.tell()
        archive.seek(0)
        client.upload_fileobj(archive, bucket, key)
    context.log(f"Saved {size / 1e6:.1f} MB to s3://{bucket}/{key}.")
    return StepResult()


def restore_cache(context: StepContext) -> StepResult:
    """Extract the archive under the key into the workspace."""
    bucket, key, client = context.text("bucket"), _object_key(context), _client(context)
    if not _exists(client, bucket, key):
        if context.flag("failIfKeyNotFound"):
            raise StepFailedError(f"Cache key [{key}] not found in bucket [{bucket}].")
        context.log(f"No cache under s3://{bucket}/{key}.")
        return StepResult()
    with tempfile.TemporaryFile() as archive:
        client.download_fileobj(bucket, key, archive)
        size = archive.tell()
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            tar.extractall(context.workspace, filter="data")
    context.log(f"Restored {size / 1e6:.1f} MB from s3://{bucket}/{key}.")
    return StepResult()


def _client(context: StepContext) -> Any:  # boto3 clients have no static type
    endpoint = context.text("endpoint", "") or None
    region = context.text("region", "") or None
    return boto3.client("s3", endpoint_url=endpoint, region_name=region)


def _object_key(context: StepContext) -> str:
    def checksum(match: re.Match[str]) -> str:
        path = context.inside(match.group(1))
        if not path.is_file():
            raise StepFailedError(f"The cache key names {match.group(1)}, which does not exist.")
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return _CHECKSUM.sub(checksum, context.text("key"))


def _mode(context: StepContext) -> Literal["w:", "w:gz"]:
    name = context.text("archiveFormat", "Tar").lower()
    if name not in _MODES:
        raise StepFailedError(f"NotImplemented: archiveFormat [{name}]; use Tar or Gzip.")
    return _MODES[name]


def _exists(client: Any, bucket: str, key: str) -> bool:
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
            return False
        message = f"s3://{bucket}/{key}: {error}"
        raise StepFailedError(message, "CONNECTIVITY") from error
    return True
