"""What a manifest says of itself: pure parsing of OCI and Docker image manifests.

It does not check that the content which a manifest names is there.
Source: OCI image-spec 1.1, manifest.md and image-index.md; Docker manifest v2, schema 2.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sandbox.types import JsonObject

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MEDIA_TYPES = frozenset({OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST})
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ManifestError(ValueError):
    """The bytes are no manifest that the registry takes; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A named piece of content."""

    digest: str
    size: int
    media_type: str
    platform: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A parsed image manifest, or an index when `manifests` is what it lists."""

    digest: str
    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    artifact_type: str
    subject: str

    @property
    def is_index(self) -> bool:
        """Tell whether this lists images instead of being one."""
        return self.media_type in INDEX_TYPES

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config and the layers."""
        return ((self.config,) if self.config else ()) + self.layers


def digest_of(body: bytes) -> str:
    """Return the name of `body`."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def parse_manifest(body: bytes, content_type: str = "") -> Manifest:
    """Parse a manifest as it was sent under `content_type` (may be empty).

    Raises:
        ManifestError: it is malformed or of a kind that the registry does not take.

    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ManifestError(f"manifest is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError("manifest is not a JSON object")
    media_type = _media_type(document, content_type.partition(";")[0].strip())
    config = document.get("config")
    if media_type not in INDEX_TYPES and config is None:
        raise ManifestError("manifest has no config")
    subject = document.get("subject")
    return Manifest(
        digest=digest_of(body),
        media_type=media_type,
        config=None if media_type in INDEX_TYPES else _descriptor(config, "config"),
        layers=_descriptors(document, "layers"),
        manifests=_descriptors(document, "manifests"),
        artifact_type=str(document.get("artifactType") or ""),
        subject=_descriptor(subject, "subject").digest if subject else "",
    )


def _media_type(document: JsonObject, content_type: str) -> str:
    said = str(document.get("mediaType") or "")
    chosen = content_type if content_type in MEDIA_TYPES else said
    if not chosen:
        chosen = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if chosen not in MEDIA_TYPES or document.get("schemaVersion") != 2:
        raise ManifestError(f"manifest type {chosen!r} is not supported")
    if said and said != chosen:
        raise ManifestError(f"mediaType {said!r} differs from the Content-Type {chosen!r}")
    return chosen


def _descriptors(document: JsonObject, key: str) -> tuple[Descriptor, ...]:
    items = document.get(key) or []
    if not isinstance(items, Sequence):
        raise ManifestError(f"{key} is not a list")
    return tuple(_descriptor(item, f"{key}[{i}]") for i, item in enumerate(items))


def _descriptor(value: object, where: str) -> Descriptor:
    item = cast("JsonObject", value) if isinstance(value, dict) else {}
    digest, size = str(item.get("digest") or ""), item.get("size")
    if not DIGEST.fullmatch(digest) or not isinstance(size, int) or size < 0:
        raise ManifestError(f"{where} needs a sha256 digest and a size")
    platform = cast("Mapping[str, object]", item.get("platform") or {})
    return Descriptor(
        digest=digest,
        size=size,
        media_type=str(item.get("mediaType") or ""),
        platform={k: v for k, v in platform.items() if isinstance(v, str)},
    )
