"""A boto3 session that can reach nothing but one endpoint; it reads nothing of the person's."""

import os
from collections.abc import Mapping
from typing import Any

import botocore.session
from boto3.session import Session
from botocore.config import Config
from botocore.configprovider import ConstantProvider

from sandbox.testing.settings import REGION, SECRET_KEY, TEST_KEY

_FIXED: Mapping[str, str | None] = {
    "profile": None,
    "ca_bundle": None,
    "s3": None,
    "use_dualstack_endpoint": None,
    "use_fips_endpoint": None,
    "defaults_mode": "legacy",
    "sts_regional_endpoints": "regional",
    "config_file": os.devnull,
    "credentials_file": os.devnull,
}
"""What botocore would read of the person's environment and files, to what it finds instead."""


class LocalSession(Session):
    """A `boto3.Session` with its own endpoint and keys.

    `AWS_*` variables, profiles and `~/.aws` are not read and not changed: a test can never
    reach a real account through it. A client that is given another `endpoint_url` or other
    keys gets them.
    """

    def __init__(self, url: str) -> None:
        core = botocore.session.Session()
        values = core.get_component("config_store")
        for name, value in _FIXED.items():
            values.set_config_provider(name, ConstantProvider(value))
        # Loopback, never through the person's proxy; a server that is here answers at once.
        core.set_default_client_config(Config(proxies={}, s3={"addressing_style": "path"}))
        super().__init__(  # type: ignore[no-untyped-call]
            aws_access_key_id=TEST_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            botocore_session=core,
        )
        self._url = url

    def client(self, *args: Any, **options: Any) -> Any:
        """See `boto3.Session.client`."""
        return super().client(*args, **{"endpoint_url": self._url, **options})  # type: ignore[no-untyped-call]

    def resource(self, *args: Any, **options: Any) -> Any:
        """See `boto3.Session.resource`."""
        return super().resource(*args, **{"endpoint_url": self._url, **options})  # type: ignore[no-untyped-call]
