"""The Service Authorization Reference: IAM actions, their resource types, the shapes of ARNs.

Source: Service Authorization Reference, condensed by `make_authorization.py`.
"""

import functools
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SCOPE = frozenset({"Partition", "Region", "Account"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A type of resource that an action may be limited to."""

    name: str
    template: str
    """`arn:${Partition}:ecs:${Region}:${Account}:service/${ClusterName}/${ServiceName}`"""
    required: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """Return what names one resource, without partition, region and account."""
        return tuple(v for v in _VARIABLE.findall(self.template) if v not in _SCOPE)

    def arn(self, values: Mapping[str, str]) -> str:
        """Fill the template; what is not known becomes `*`."""
        return _VARIABLE.sub(lambda found: values.get(found.group(1)) or "*", self.template)

    def matches(self, arn: str) -> bool:
        """Tell whether an ARN is one of a resource of this type."""
        return _pattern(self.template).fullmatch(arn) is not None


def resource_types(action: str) -> tuple[ResourceType, ...] | None:
    """Return the types that an action (`ecs:RunTask`) may be limited to.

    None where there is no such action; empty where it knows `*` only.
    """
    prefix, _, name = action.partition(":")
    service = _reference().get(prefix)
    if service is None or name not in service["actions"]:
        return None
    return _types(prefix, name)


@functools.cache
def _types(prefix: str, name: str) -> tuple[ResourceType, ...]:
    service = _reference()[prefix]
    return tuple(
        ResourceType(name=kind, template=service["arns"][kind], required=on.endswith("*"))
        for on in service["actions"][name]
        if (kind := on.removesuffix("*")) in service["arns"]
    )


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _VARIABLE.split(template)
    # The last name may hold slashes: an object's key, a role's path, a log group.
    last = len(parts) - 2
    shape = ""
    for index, part in enumerate(parts):
        if index % 2 == 0:
            shape += re.escape(part)
        elif part in _SCOPE:
            shape += r"[\w-]*"
        elif index == last or part.endswith("WithPath") or part == "LogGroupName":
            shape += r".+"
        else:
            shape += r"[^/:]+"
    return re.compile(shape)


@functools.cache
def _reference() -> Mapping[str, Any]:
    packed = Path(__file__).with_name("authorization.json.gz").read_bytes()
    found: Mapping[str, Any] = json.loads(gzip.decompress(packed))
    return found
