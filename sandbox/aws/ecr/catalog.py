"""What the registry holds: repositories, their images and layers, and how pushes change them.

It speaks no wire: the API (`image_api.py`) and the OCI protocol (`distribution.py`) both
change images through it, each change one transaction.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from sandbox.aws.ecr import faults
from sandbox.aws.ecr.blobs import BlobStore
from sandbox.aws.ecr.lifecycle import Candidate, Expiry, LifecyclePolicy, expiries
from sandbox.aws.ecr.manifests import Manifest, ManifestError, parse_manifest
from sandbox.aws.ecr.records import Image, Layer, Repository, content_key, repository_key
from sandbox.aws.ecr.references import TAG
from sandbox.aws.store import RecordStore
from sandbox.clock import Now
from sandbox.errors import AwsError

_PULL_RECORDED_EVERY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One manifest on its way into a repository."""

    body: bytes
    media_type: str = ""
    tag: str = ""
    digest: str = ""
    """What the client says the digest is; empty where it does not say."""


class Catalog:
    """Repositories, images and layers of all regions. Thread-safe."""

    def __init__(self, *, store: RecordStore, blobs: BlobStore, account_id: str, now: Now) -> None:
        self.store = store
        self.blobs = blobs
        self.account_id = account_id
        self.now = now
        self.repositories = store.table("ecr-repository", Repository)
        self._images = store.table("ecr-image", Image)
        self._layers = store.table("ecr-layer", Layer)

    def repository(self, region: str, name: str) -> Repository:
        """Return the repository.

        Raises:
            AwsError: RepositoryNotFoundException.

        """
        found = self.repositories.get(repository_key(region, name))
        if found is None:
            raise faults.repository_not_found(name, self.account_id)
        return found

    def images(self, repository: Repository) -> tuple[Image, ...]:
        """Return the repository's images, oldest push first."""
        found = [
            image
            for image in self._images.values()
            if image.region == repository.region and image.repository_name == repository.name
        ]
        return tuple(sorted(found, key=lambda image: (image.pushed_at, image.digest)))

    def find(self, repository: Repository, *, digest: str = "", tag: str = "") -> Image | None:
        """Return the image with this digest and tag (either may be empty), or None."""
        if digest:
            image = self._images.get(content_key(repository.region, repository.name, digest))
            return image if image and (not tag or tag in image.tags) else None
        return next((image for image in self.images(repository) if tag in image.tags), None)

    def image(self, repository: Repository, *, digest: str = "", tag: str = "") -> Image:
        """Return the image with this digest and tag.

        Raises:
            AwsError: ImageNotFoundException.

        """
        found = self.find(repository, digest=digest, tag=tag)
        if found is None:
            raise faults.image_not_found(repository.name, self.account_id, digest=digest, tag=tag)
        return found

    def manifest_for_pull(self, image: Image) -> bytes:
        """Return the manifest's bytes and note that the image was pulled.

        Source: ECR API Reference, ImageDetail: lastRecordedPullTime is refreshed at least
        once every 24 hours.
        """
        now = self.now()
        if image.pulled_at is None or now - image.pulled_at > _PULL_RECORDED_EVERY:
            with self.store.transaction():
                current = self._images.get(image.key)
                if current is not None:
                    self._images.put(image.key, replace(current, pulled_at=now))
        return self.blobs.read(image.digest)

    def layer(self, repository: Repository, digest: str) -> Layer | None:
        """Return the repository's layer, or None where the repository has no right to it."""
        return self._layers.get(content_key(repository.region, repository.name, digest))

    def link_layer(self, repository: Repository, digest: str, size_bytes: int) -> None:
        """Give the repository the blob, which must be on disk."""
        layer = Layer(
            region=repository.region,
            repository_name=repository.name,
            digest=digest,
            size_bytes=size_bytes,
        )
        self._layers.put(layer.key, layer)

    def push(self, repository: Repository, push: Push) -> Image:
        """Store a manifest, move its tag to it, and apply the lifecycle policy.

        The same push again changes nothing. Images expire as soon as a push makes them
        due; AWS does it within 24 hours.

        Raises:
            AwsError: the content that it names is missing, the digest or tag is wrong, or
                the tag is taken and immutable.

        """
        manifest = self._parse(push)
        with self.store.transaction():
            current = self.repository(repository.region, repository.name)
            known = self.find(current, digest=manifest.digest, tag=push.tag)
            if known is not None:
                return known
            size_bytes = self._checked_size(current, manifest)
            if push.tag:
                self._move_tag_away(current, push.tag, manifest.digest)
            self.blobs.write(push.body)
            image = self._merged(current, manifest, size_bytes, push.tag)
            self._images.put(image.key, image)
            expired = self.apply_lifecycle(current)
        if expired:
            self.collect_garbage()
        return image

    def delete(self, image: Image) -> None:
        """Delete the image with all its tags, and its claims on layers."""
        with self.store.transaction():
            self._images.delete(image.key)
            repository = self.repository(image.region, image.repository_name)
            kept = {blob for other in self.images(repository) for blob in other.blobs}
            for digest in set(image.blobs) - kept:
                self._layers.delete(content_key(image.region, image.repository_name, digest))

    def untag(self, image: Image, tag: str) -> None:
        """Remove one tag; the image goes with its last one."""
        tags = tuple(other for other in image.tags if other != tag)
        if tags:
            self._images.put(image.key, replace(image, tags=tags))
        else:
            self.delete(image)

    def delete_repository(self, repository: Repository) -> None:
        """Delete the repository with its images and layers."""
        with self.store.transaction():
            for image in self.images(repository):
                self._images.delete(image.key)
            for layer in self._layers.values():
                if (layer.region, layer.repository_name) == (repository.region, repository.name):
                    self._layers.delete(layer.key)
            self.repositories.delete(repository.key)

    def listed_by(self, repository: Repository, digest: str) -> tuple[str, ...]:
        """Return the digests of the indexes in the repository that list the image."""
        return tuple(i.digest for i in self.images(repository) if digest in i.manifests)

    def collect_garbage(self) -> None:
        """Delete blobs that no repository claims any more; call it after a transaction."""
        wanted = {layer.digest for layer in self._layers.values()}
        self.blobs.collect(wanted | {image.digest for image in self._images.values()})

    def due(self, repository: Repository, policy_text: str) -> tuple[Expiry, ...]:
        """Return what the lifecycle policy would expire now."""
        candidates = [
            Candidate(digest=image.digest, tags=image.tags, pushed_at=image.pushed_at)
            for image in self.images(repository)
            if not self.listed_by(repository, image.digest)
        ]
        return expiries(LifecyclePolicy.parse(policy_text), candidates, self.now())

    def apply_lifecycle(self, repository: Repository) -> int:
        """Expire what the repository's lifecycle policy says is due now; return how many."""
        if not repository.lifecycle_text:
            return 0
        with self.store.transaction():
            due = self.due(repository, repository.lifecycle_text)
            for expiry in due:
                self.delete(self.image(repository, digest=expiry.digest))
            evaluated = replace(repository, lifecycle_evaluated_at=self.now())
            self.repositories.put(repository.key, evaluated)
        return len(due)

    def _parse(self, push: Push) -> Manifest:
        if push.tag and not TAG.fullmatch(push.tag):
            raise faults.invalid_parameter(
                "imageTag", f"must satisfy regular expression '{TAG.pattern}'"
            )
        try:
            manifest = parse_manifest(push.body, push.media_type)
        except ManifestError as error:
            raise faults.invalid_parameter("imageManifest", str(error)) from error
        if push.digest and push.digest != manifest.digest:
            raise AwsError(
                "ImageDigestDoesNotMatchException",
                f"The image digest '{push.digest}' does not match the calculated digest "
                f"'{manifest.digest}' of the image manifest.",
            )
        return manifest

    def _checked_size(self, repository: Repository, manifest: Manifest) -> int:
        """Return the image's size as ECR counts it, when all that it names is there.

        An image weighs its compressed layers and config; an index as much as the heaviest
        image that it lists. Source: ECR API Reference, ImageDetail.imageSizeInBytes.
        """
        where = f"in the repository with name '{repository.name}'"
        missing = [b.digest for b in manifest.blobs if self.layer(repository, b.digest) is None]
        if missing:
            raise AwsError(
                "LayersNotFoundException", f"Layers with digests {missing} not found {where}"
            )
        children = {m.digest: self.find(repository, digest=m.digest) for m in manifest.manifests}
        absent = [digest for digest, image in children.items() if image is None]
        if absent:
            raise AwsError(
                "ReferencedImagesNotFoundException",
                f"Images with digests {absent} required for pushing image do not exist {where}",
            )
        if manifest.is_index:
            return max((i.size_bytes for i in children.values() if i is not None), default=0)
        return sum(blob.size for blob in manifest.blobs)

    def _move_tag_away(self, repository: Repository, tag: str, digest: str) -> None:
        holder = self.find(repository, tag=tag)
        if holder is None or holder.digest == digest:
            return
        if _is_immutable(repository, tag):
            raise faults.tag_is_immutable(repository.name, tag)
        tags = tuple(other for other in holder.tags if other != tag)
        self._images.put(holder.key, replace(holder, tags=tags))

    def _merged(
        self, repository: Repository, manifest: Manifest, size_bytes: int, tag: str
    ) -> Image:
        known = self.find(repository, digest=manifest.digest)
        if known is not None:
            fresh = tag and tag not in known.tags
            return replace(known, tags=(*known.tags, tag)) if fresh else known
        return Image(
            region=repository.region,
            repository_name=repository.name,
            digest=manifest.digest,
            media_type=manifest.media_type,
            artifact_media_type=manifest.config.media_type if manifest.config else "",
            artifact_type=manifest.artifact_type,
            size_bytes=size_bytes,
            pushed_at=self.now(),
            tags=(tag,) if tag else (),
            blobs=tuple(blob.digest for blob in manifest.blobs),
            manifests=tuple(item.digest for item in manifest.manifests),
            subject=manifest.subject,
        )


def _is_immutable(repository: Repository, tag: str) -> bool:
    excluded = any(fnmatchcase(tag, pattern) for pattern in repository.exclusion_filters)
    immutable = repository.tag_mutability.startswith("IMMUTABLE")
    return immutable != (excluded and repository.tag_mutability.endswith("_WITH_EXCLUSION"))
