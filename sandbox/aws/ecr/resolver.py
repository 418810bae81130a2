"""The `ImageResolver` port over ECR's catalog: image names to content; it never writes."""

from pathlib import Path

from sandbox.aws.ecr.catalog import Catalog
from sandbox.aws.ecr.references import ImageReference, parse_image_reference
from sandbox.aws.ports import ResolvedImage
from sandbox.errors import AwsError


class CatalogImages:
    """Resolves the images of this account's registries."""

    def __init__(self, catalog: Catalog, *, public_host: str, default_region: str) -> None:
        self._catalog = catalog
        self._public_host = public_host
        self._default_region = default_region

    def owns(self, reference: str) -> bool:
        """Tell whether the reference names a repository of this account's ECR."""
        return self._parse(reference) is not None

    def resolve(self, reference: str) -> ResolvedImage:
        """Resolve `registry/name:tag` or `@sha256:` to a digest."""
        parsed = self._parse(reference)
        if parsed is None:
            raise AwsError(
                "InvalidParameterException",
                f"Image reference '{reference}' names no registry of account "
                f"{self._catalog.account_id}.",
            )
        path = parsed.repository
        repository = self._catalog.repository(path.region, path.name)
        image = self._catalog.image(repository, digest=parsed.digest, tag=_tag(parsed))
        return ResolvedImage(
            reference=reference,
            region=path.region,
            repository_name=path.name,
            digest=image.digest,
        )

    def manifest(self, image: ResolvedImage) -> bytes:
        """Return the raw OCI or Docker image manifest."""
        repository = self._catalog.repository(image.region, image.repository_name)
        found = self._catalog.image(repository, digest=image.digest)
        return self._catalog.manifest_for_pull(found)

    def blob_path(self, digest: str) -> Path:
        """Return the file that holds the blob; it must not be changed."""
        return self._catalog.blobs.path(digest)

    def _parse(self, reference: str) -> ImageReference | None:
        parsed = parse_image_reference(
            reference, public_host=self._public_host, default_region=self._default_region
        )
        if parsed and parsed.repository.account_id in {"", self._catalog.account_id}:
            return parsed
        return None


def _tag(reference: ImageReference) -> str:
    """Return the tag that counts: none beside a digest, as the digest alone decides."""
    return "" if reference.digest else reference.tag
