"""The small shapes that Envoy's resources are made of; pure."""

from sandbox.aws.elbv2.xds import TYPE_PREFIX
from sandbox.types import JsonObject

EXTENSIONS = "envoy.extensions."
ADS: JsonObject = {"ads": {}, "resource_api_version": "V3"}
"""Where a resource finds those that it names."""


def config(message: str, **fields: object) -> JsonObject:
    """Return an extension's configuration."""
    return {"@type": TYPE_PREFIX + EXTENSIONS + message, **fields}


def typed(name: str, message: str, **fields: object) -> JsonObject:
    """Return a named extension with its configuration."""
    return {"name": name, "typed_config": config(message, **fields)}


def header(name: str, value: str, *, append: bool = False) -> JsonObject:
    """Return a header to set, or with `append` to add to."""
    action = "APPEND_IF_EXISTS_OR_ADD" if append else "OVERWRITE_IF_EXISTS_OR_ADD"
    return {"header": {"key": name, "value": value}, "append_action": action}


def seconds(value: float) -> str:
    """Return a duration in protobuf's JSON form."""
    return f"{value:.3f}s"
