"""ECR operations on images; what they mean is in `catalog.py`."""

from collections.abc import Mapping

from sandbox.aws.ecr import faults
from sandbox.aws.ecr.catalog import Catalog, Push
from sandbox.aws.ecr.manifests import DIGEST
from sandbox.aws.ecr.parameters import child, objects, page, text
from sandbox.aws.ecr.records import Image, Repository
from sandbox.aws.ecr.references import registry_host
from sandbox.aws.ecr.repository_api import RepositoryFinder
from sandbox.aws.ecr.tokens import TokenMint
from sandbox.aws.names import is_aws_name
from sandbox.aws.wire import Handler, RequestContext
from sandbox.types import JsonObject


class ImageApi:
    """Handlers of the image operations."""

    def __init__(
        self, catalog: Catalog, find: RepositoryFinder, mint: TokenMint, *, public_host: str
    ) -> None:
        self._catalog = catalog
        self._find = find
        self._mint = mint
        self._public_host = public_host

    @property
    def operations(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "GetAuthorizationToken": self.authorization_token,
            "DescribeImages": self.describe,
            "ListImages": self.list_images,
            "BatchGetImage": self.batch_get,
            "BatchDeleteImage": self.batch_delete,
            "PutImage": self.put,
            "DescribeImageScanFindings": self.scan_findings,
        }

    def authorization_token(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetAuthorizationToken; the registry speaks plain HTTP on the loopback address."""
        del params
        token = self._mint.issue(context.access_key_id)
        registry = registry_host(self._catalog.account_id, context.region)
        is_real = is_aws_name(context.host)
        data = {
            "authorizationToken": token.value,
            "expiresAt": token.expires_at,
            "proxyEndpoint": f"https://{registry}" if is_real else f"http://{self._public_host}",
        }
        return {"authorizationData": [data]}

    def describe(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DescribeImages."""
        repository = self._find(context, params)
        wanted = objects(params, "imageIds")
        if wanted:
            images = [
                self._catalog.image(
                    repository, digest=text(item, "imageDigest"), tag=text(item, "imageTag")
                )
                for item in wanted
            ]
            return {"imageDetails": [self._detail(image) for image in images]}
        kept = [i for i in self._catalog.images(repository) if _passes_filter(i, params)]
        chosen, more = page(kept, params, key=lambda image: image.digest)
        return {"imageDetails": [self._detail(image) for image in chosen], **more}

    def list_images(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """ListImages: one row a tag, and one for each untagged image."""
        repository = self._find(context, params)
        rows: list[tuple[str, str]] = []
        for image in self._catalog.images(repository):
            if _passes_filter(image, params):
                rows += [(image.digest, tag) for tag in image.tags or ("",)]
        chosen, more = page(rows, params, key="@".join)
        return {"imageIds": [_image_id(digest, tag) for digest, tag in chosen], **more}

    def batch_get(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """BatchGetImage."""
        repository = self._find(context, params)
        images: list[JsonObject] = []
        failures: list[JsonObject] = []
        for item in objects(params, "imageIds"):
            digest, tag = text(item, "imageDigest"), text(item, "imageTag")
            failure = _id_failure(digest, tag)
            image = None if failure else self._catalog.find(repository, digest=digest, tag=tag)
            if image is None:
                failures.append(
                    failure or _failure(digest, tag, "ImageNotFound", "Requested image not found")
                )
                continue
            body = self._catalog.manifest_for_pull(image)
            images.append(self._image(image, tag, body))
        return {"images": images, "failures": failures}

    def batch_delete(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """BatchDeleteImage: a tag takes its image along only when it was the last one."""
        repository = self._find(context, params)
        deleted: list[JsonObject] = []
        failures: list[JsonObject] = []
        for item in objects(params, "imageIds"):
            digest, tag = text(item, "imageDigest"), text(item, "imageTag")
            with self._catalog.store.transaction():
                gone, failure = self._delete(repository, digest, tag)
            deleted += gone
            failures += [failure] if failure else []
        if deleted:
            self._catalog.collect_garbage()
        return {"imageIds": deleted, "failures": failures}

    def put(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutImage."""
        repository = self._find(context, params)
        body, tag = text(params, "imageManifest").encode(), text(params, "imageTag")
        push = Push(
            body=body,
            media_type=text(params, "imageManifestMediaType"),
            tag=tag,
            digest=text(params, "imageDigest"),
        )
        with self._catalog.store.transaction():
            before = self._catalog.images(repository)
            image = self._catalog.push(repository, push)
            if image in before:
                raise faults.image_exists(
                    repository.name, self._catalog.account_id, digest=image.digest, tag=tag
                )
        return {"image": self._image(image, tag, body)}

    def scan_findings(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DescribeImageScanFindings: no image is ever scanned here, and none is said to be."""
        repository = self._find(context, params)
        item = child(params, "imageId")
        digest, tag = text(item, "imageDigest"), text(item, "imageTag")
        image = self._catalog.image(repository, digest=digest, tag=tag)
        raise faults.scan_not_found(
            repository.name, self._catalog.account_id, digest=image.digest, tag=tag
        )

    def _delete(
        self, repository: Repository, digest: str, tag: str
    ) -> tuple[list[JsonObject], JsonObject | None]:
        failure = _id_failure(digest, tag)
        image = None if failure else self._catalog.find(repository, digest=digest)
        if not failure and not digest:
            image = self._catalog.find(repository, tag=tag)
        if image is None:
            return [], failure or _failure(
                digest, tag, "ImageNotFound", "Requested image not found"
            )
        if tag and tag not in image.tags:
            reason = "The provided digest does not match the provided tag"
            return [], _failure(digest, tag, "ImageTagDoesNotMatchDigest", reason)
        lists = self._catalog.listed_by(repository, image.digest)
        if lists and (not tag or image.tags == (tag,)):
            reason = f"Requested image referenced by manifest list: [{', '.join(lists)}]"
            return [], _failure(digest, tag, "ImageReferencedByManifestList", reason)
        if tag:
            self._catalog.untag(image, tag)
            return [_image_id(image.digest, tag)], None
        self._catalog.delete(image)
        return [_image_id(image.digest, t) for t in image.tags or ("",)], None

    def _detail(self, image: Image) -> JsonObject:
        detail: dict[str, object] = {
            "registryId": self._catalog.account_id,
            "repositoryName": image.repository_name,
            "imageDigest": image.digest,
            "imageSizeInBytes": image.size_bytes,
            "imagePushedAt": image.pushed_at,
            "imageManifestMediaType": image.media_type,
            "imageStatus": "ACTIVE",
        }
        optional = {
            "imageTags": list(image.tags),
            "artifactMediaType": image.artifact_type or image.artifact_media_type,
            "lastRecordedPullTime": image.pulled_at,
            "subjectManifestDigest": image.subject,
        }
        return detail | {key: value for key, value in optional.items() if value}

    def _image(self, image: Image, tag: str, body: bytes) -> JsonObject:
        return {
            "registryId": self._catalog.account_id,
            "repositoryName": image.repository_name,
            "imageId": _image_id(image.digest, tag),
            "imageManifest": body.decode(),
            "imageManifestMediaType": image.media_type,
        }


def _image_id(digest: str, tag: str) -> JsonObject:
    pair = {"imageDigest": digest, "imageTag": tag}
    return {key: value for key, value in pair.items() if value}


def _failure(digest: str, tag: str, code: str, reason: str) -> JsonObject:
    return {"imageId": _image_id(digest, tag), "failureCode": code, "failureReason": reason}


def _id_failure(digest: str, tag: str) -> JsonObject | None:
    if not digest and not tag:
        reason = "Invalid request parameters: both tag and digest cannot be null"
        return _failure(digest, tag, "MissingDigestAndTag", reason)
    if digest and not DIGEST.fullmatch(digest):
        reason = "Invalid request parameters: image digest should satisfy the regex"
        return _failure(digest, tag, "InvalidImageDigest", reason)
    return None


def _passes_filter(image: Image, params: JsonObject) -> bool:
    status = text(child(params, "filter"), "tagStatus", "ANY")
    return status == "ANY" or (status == "TAGGED") == bool(image.tags)
