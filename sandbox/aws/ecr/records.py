"""Stored records of ECR; the wire shape is made in `repositories.py` and `image_api.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of one region with its settings and policies."""

    region: str
    name: str
    created_at: datetime
    tag_mutability: str = "MUTABLE"
    exclusion_filters: tuple[str, ...] = ()
    """Wildcards of tags that the mutability setting does not cover."""
    scan_on_push: bool = False
    encryption_type: str = "AES256"
    kms_key: str = ""
    policy_text: str = ""
    lifecycle_text: str = ""
    lifecycle_evaluated_at: datetime | None = None
    preview_text: str = ""
    """The lifecycle policy of the last preview that was asked for."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key of this record."""
        return repository_key(self.region, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A manifest in a repository. The manifest's bytes are a blob named by `digest`."""

    region: str
    repository_name: str
    digest: str
    media_type: str
    artifact_media_type: str = ""
    artifact_type: str = ""
    size_bytes: int
    pushed_at: datetime
    pulled_at: datetime | None = None
    tags: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    """Digests of the config and the layers."""
    manifests: tuple[str, ...] = ()
    """Digests of the images that an index lists."""
    subject: str = ""
    """Digest of the image that this artifact is about, if any."""

    @property
    def key(self) -> str:
        """The key of this record."""
        return content_key(self.region, self.repository_name, self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The right of a repository to a blob; one blob file may serve many repositories."""

    region: str
    repository_name: str
    digest: str
    size_bytes: int

    @property
    def key(self) -> str:
        """The key of this record."""
        return content_key(self.region, self.repository_name, self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Settings of one region's whole registry; documents are kept as JSON text."""

    policy_text: str = ""
    replication_text: str = ""
    scanning_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The secret under which authorization tokens are made."""

    hex: str


def repository_key(region: str, name: str) -> str:
    """Return the key of a repository; the same name in two regions differs."""
    return f"{region}/{name}"


def content_key(region: str, name: str, digest: str) -> str:
    """Return the key of an image or layer of a repository."""
    return f"{region}/{name}@{digest}"
