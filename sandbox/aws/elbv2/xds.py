"""Envoy's protobuf types without generated code; it knows no load balancer.

The types come from `envoy_descriptors.bin.gz` (see `make_descriptors.py`) in a descriptor
pool of their own, so that neither `xds-protos` nor the import name `envoy` is needed.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from sandbox.types import JsonObject

TYPE_PREFIX = "type.googleapis.com/"


class Kind(StrEnum):
    """A discovery service, by the message that it serves."""

    CLUSTER = "envoy.config.cluster.v3.Cluster"
    ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment"
    SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105  a type's name
    LISTENER = "envoy.config.listener.v3.Listener"
    ROUTES = "envoy.config.route.v3.RouteConfiguration"

    @property
    def type_url(self) -> str:
        """The `type_url` of the resources."""
        return TYPE_PREFIX + self.value


KIND_BY_URL: Mapping[str, Kind] = {kind.type_url: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A resource as bytes; its version is a hash of them.

    A counter would not do: a restarted control plane would reuse numbers, and Envoy skips
    versions that it holds already.
    """

    version: str
    value: bytes


@cache
def _pool() -> DescriptorPool:
    packed = resources.files(__package__).joinpath("envoy_descriptors.bin.gz").read_bytes()
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(gzip.decompress(packed)).file:
        pool.Add(file)
    return pool


@cache
def message_class(full_name: str) -> Any:
    """Return the class of one of Envoy's messages."""
    descriptor = _pool().FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(descriptor)


def encode(kind: Kind, resource: JsonObject) -> Encoded:
    """Turn Envoy's JSON form into bytes.

    Raises:
        google.protobuf.json_format.ParseError: a field is unknown or has a wrong type.

    """
    message: Message = message_class(kind.value)()
    json_format.ParseDict(dict(resource), message, descriptor_pool=_pool())
    value = message.SerializeToString(deterministic=True)
    return Encoded(version=hashlib.blake2b(value, digest_size=12).hexdigest(), value=value)
