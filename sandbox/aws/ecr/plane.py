"""ECR put together: its AWS service, its registry and its image resolver; no logic of its own."""

import base64
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.aws.ecr.blobs import BlobStore
from sandbox.aws.ecr.catalog import Catalog
from sandbox.aws.ecr.distribution import Registry
from sandbox.aws.ecr.image_api import ImageApi
from sandbox.aws.ecr.layer_api import LayerApi
from sandbox.aws.ecr.lifecycle_api import LifecycleApi
from sandbox.aws.ecr.records import SigningKey
from sandbox.aws.ecr.registry_api import RegistryApi
from sandbox.aws.ecr.repository_api import RepositoryApi
from sandbox.aws.ecr.resolver import CatalogImages
from sandbox.aws.ecr.tokens import TokenMint
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import AwsService
from sandbox.clock import Now, utc_now

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from sandbox.aws.ports import ImageResolver


class EcrPlane:
    """ECR of one account, all regions.

    Args:
        store: where its records live.
        blob_dir: where its content lives; made when missing.
        account_id: the account.
        public_host: `host:port` at which clients reach `.registry`.
        default_region: the region of a registry path that names no ECR host.
        now: the clock.

    """

    def __init__(
        self,
        *,
        store: RecordStore,
        blob_dir: Path,
        account_id: str,
        public_host: str = "127.0.0.1:4566",
        default_region: str = "us-east-1",
        now: Now = utc_now,
    ) -> None:
        catalog = Catalog(store=store, blobs=BlobStore(blob_dir), account_id=account_id, now=now)
        mint = TokenMint(_signing_key(store), now)
        self._mint = mint
        repositories = RepositoryApi(catalog, public_host=public_host)
        images = ImageApi(catalog, repositories.find, mint, public_host=public_host)
        layers = LayerApi(catalog, repositories.find, mint, public_host=public_host)
        self.service = AwsService(
            "ecr",
            {
                **repositories.operations,
                **images.operations,
                **layers.operations,
                **LifecycleApi(catalog, repositories.find).operations,
                **RegistryApi(catalog).operations,
            },
            invalid_parameter_code="InvalidParameterException",
        )
        self.registry: WSGIApplication = Registry(
            catalog, mint, default_region=default_region, public_host=public_host
        )
        self.images: ImageResolver = CatalogImages(
            catalog, public_host=public_host, default_region=default_region
        )

    def password(self) -> str:
        """Return a new password of the user `AWS`, as `aws ecr get-login-password` prints it."""
        token = base64.b64decode(self._mint.issue().value).decode()
        return token.partition(":")[2]


def _signing_key(store: RecordStore) -> bytes:
    table = store.table("ecr-signing-key", SigningKey)
    with store.transaction():
        key = table.get("token") or SigningKey(hex=secrets.token_hex(32))
        table.put("token", key)
    return bytes.fromhex(key.hex)
