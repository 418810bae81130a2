"""The names of the regions of each service, for moto; botocore's own table, read lightly.

moto asks boto3, which loads the whole model of a service to learn one word of it, and keeps
that model beside the one that moto loads itself.
"""

import functools
from collections.abc import Mapping, Sequence

from botocore.exceptions import UnknownServiceError
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver
from moto.core import base_backend
from moto.core.utils import get_service_model

_PREFIXES: Mapping[str, str] = {"ec2": "ec2"}
"""Service to its endpoint prefix, where moto asks long before it needs the model."""


class RegionNames:
    """Stands for a boto3 session that is asked for partitions and regions only."""

    def __init__(self) -> None:
        self._resolver = EndpointResolver(create_loader().load_data("endpoints"))

    def get_available_partitions(self) -> Sequence[str]:
        """See `boto3.Session.get_available_partitions`."""
        names: Sequence[str] = self._resolver.get_available_partitions()
        return names

    def get_available_regions(self, service: str, partition_name: str = "aws") -> Sequence[str]:
        """See `boto3.Session.get_available_regions`."""
        try:
            prefix = _PREFIXES.get(service) or get_service_model(service).endpoint_prefix
        except UnknownServiceError:
            return []
        names: Sequence[str] = self._resolver.get_available_endpoints(prefix, partition_name)
        return names


@functools.cache
def region_names() -> RegionNames:
    """Return the one of this process."""
    return RegionNames()


def install() -> None:
    """Let moto's backends learn their regions here."""
    base_backend.AccountSpecificBackend.get_session = region_names  # type: ignore[method-assign, assignment]
