"""ECR operations on layers by API; docker and its like use `distribution.py` instead."""

import io
from collections.abc import Mapping
from typing import cast

from sandbox.aws.ecr.blobs import DigestMismatchError, UploadRangeError, UploadUnknownError
from sandbox.aws.ecr.catalog import Catalog
from sandbox.aws.ecr.manifests import DIGEST
from sandbox.aws.ecr.parameters import text, texts
from sandbox.aws.ecr.records import Repository
from sandbox.aws.ecr.references import registry_host
from sandbox.aws.ecr.repository_api import RepositoryFinder
from sandbox.aws.ecr.tokens import TokenMint
from sandbox.aws.names import is_aws_name
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError
from sandbox.types import JsonObject

_PART_BYTES = 20 * 1024 * 1024


class LayerApi:
    """Handlers of the layer operations."""

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
            "BatchCheckLayerAvailability": self.layer_availability,
            "GetDownloadUrlForLayer": self.download_url,
            "InitiateLayerUpload": self.initiate_upload,
            "UploadLayerPart": self.upload_part,
            "CompleteLayerUpload": self.complete_upload,
        }

    def layer_availability(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """BatchCheckLayerAvailability."""
        repository = self._find(context, params)
        layers: list[JsonObject] = []
        failures: list[JsonObject] = []
        for digest in texts(params, "layerDigests"):
            if not DIGEST.fullmatch(digest):
                failures.append(
                    {
                        "layerDigest": digest,
                        "failureCode": "InvalidLayerDigest",
                        "failureReason": "Invalid layer digest provided",
                    }
                )
                continue
            layer = self._catalog.layer(repository, digest)
            answer: dict[str, object] = {
                "layerDigest": digest,
                "layerAvailability": "AVAILABLE" if layer else "UNAVAILABLE",
            }
            if layer:
                answer["layerSize"] = layer.size_bytes
            layers.append(answer)
        return {"layers": layers, "failures": failures}

    def download_url(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetDownloadUrlForLayer: a URL that needs no other credentials for an hour."""
        repository = self._find(context, params)
        digest = text(params, "layerDigest")
        if self._catalog.layer(repository, digest) is None:
            raise AwsError(
                "LayersNotFoundException",
                f"The layer with digest '{digest}' does not exist in the repository "
                f"with name '{repository.name}'",
            )
        host = registry_host(self._catalog.account_id, repository.region)
        path = f"/v2/{host}/{repository.name}/blobs/{digest}"
        signature = self._mint.sign_download(path)
        base = f"https://{host}" if is_aws_name(context.host) else f"http://{self._public_host}"
        url = f"{base}{path}?signature={signature}"
        return {"downloadUrl": url, "layerDigest": digest}

    def initiate_upload(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """InitiateLayerUpload."""
        self._find(context, params)
        return {"uploadId": self._catalog.blobs.start_upload(), "partSize": _PART_BYTES}

    def upload_part(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """UploadLayerPart."""
        repository = self._find(context, params)
        upload_id = text(params, "uploadId")
        first = cast("int", params.get("partFirstByte"))
        blob = cast("bytes", params.get("layerPartBlob"))
        try:
            size = self._catalog.blobs.append(upload_id, io.BytesIO(blob), first_byte=first)
        except UploadUnknownError as error:
            raise self._upload_not_found(repository, upload_id) from error
        except UploadRangeError as error:
            raise AwsError(
                "InvalidLayerPartException",
                f"Invalid layer part upload for upload with id '{upload_id}': expected first "
                f"byte {error.size_bytes}, got {first}",
            ) from error
        return {**self._named(repository), "uploadId": upload_id, "lastByteReceived": size - 1}

    def complete_upload(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """CompleteLayerUpload."""
        repository = self._find(context, params)
        upload_id = text(params, "uploadId")
        digest = next(iter(texts(params, "layerDigests")))
        if self._catalog.layer(repository, digest) is not None:
            raise AwsError(
                "LayerAlreadyExistsException",
                f"Layer with digest '{digest}' already exists in the repository with name "
                f"'{repository.name}' in registry with id '{self._catalog.account_id}'",
            )
        try:
            size = self._catalog.blobs.finish(upload_id, digest)
        except UploadUnknownError as error:
            raise self._upload_not_found(repository, upload_id) from error
        except DigestMismatchError as error:
            raise AwsError("InvalidLayerException", str(error)) from error
        self._catalog.link_layer(repository, digest, size)
        return {**self._named(repository), "uploadId": upload_id, "layerDigest": digest}

    def _named(self, repository: Repository) -> dict[str, object]:
        return {"registryId": self._catalog.account_id, "repositoryName": repository.name}

    def _upload_not_found(self, repository: Repository, upload_id: str) -> AwsError:
        return AwsError(
            "UploadNotFoundException",
            f"Upload with id '{upload_id}' could not be found for the repository with name "
            f"'{repository.name}' in the registry with id '{self._catalog.account_id}'",
        )
