"""moto's EC2 without what it reads as it is imported: 1.5 seconds and 100 MB, for nothing.

It loads every instance type, those that each zone of each region offers, and botocore's
whole model of EC2 three times over to learn the names of the regions.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import moto.core.base_backend  # holds boto3's own Session before it is exchanged
import moto.utilities.utils
from moto.utilities.utils import load_resource

from sandbox.aws.moto_plane.region_names import region_names

_TYPES = "ec2/resources/instance_types.json"
_FOLDER = "ec2/resources/instance_type_offerings"
_MODULE = "moto.ec2.models.instance_types"


class RegionalOfferings(dict[str, Any]):
    """Region to instance types of one location type, read when somebody asks."""

    def __init__(self, location_type: str) -> None:
        super().__init__()
        self._location_type = location_type

    def __missing__(self, region: str) -> Any:
        folder = f"{_FOLDER}/{self._location_type}"
        names = sorted(p.name for p in (Path(moto.__path__[0]) / folder).glob(f"{region}.*"))
        if not names:
            raise KeyError(region)
        offerings = load_resource(f"{folder}/{names[0]}")
        for offering in offerings:
            offering["LocationType"] = self._location_type
        self[region] = offerings
        return offerings

    def get(self, region: str, default: Any = None) -> Any:
        """Return the offerings of a region."""
        try:
            return self[region]
        except KeyError:
            return default


class InstanceTypes(dict[str, Any]):
    """Name to instance type, read when somebody asks for the first one."""

    def __missing__(self, name: str) -> Any:
        if self:
            raise KeyError(name)
        self.update(load_resource(_TYPES))
        return self[name]

    def names(self) -> list[str]:
        """Return the names of all instance types."""
        if not self:
            self.update(load_resource(_TYPES))
        return list(self)


class _Families(list[str]):
    """Families of instance types (`t3`, `m5`, ...), known once somebody looks."""

    def __init__(self, types: InstanceTypes) -> None:
        super().__init__()
        self._types = types

    def __contains__(self, family: object) -> bool:
        return family in {name.partition(".")[0] for name in self._types.names()}

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.partition(".")[0] for name in self._types.names()))


class _AllTypes:
    """Class attribute: the models of all instance types, made on first use."""

    def __init__(self, types: InstanceTypes, model: Callable[[str], Any]) -> None:
        self._types = types
        self._model = model
        self._made: list[Any] = []

    def __get__(self, _instance: object, _owner: type | None = None) -> list[Any]:
        if not self._made:
            self._made.extend(map(self._model, self._types.names()))
        return self._made


def install() -> None:
    """Import EC2 without its tables, or drop them when somebody imported it already."""
    if _MODULE not in sys.modules:
        session = vars(boto3)["Session"]
        vars(boto3)["Session"] = region_names
        vars(moto.utilities.utils)["load_resource"] = _load_no_table
        try:
            importlib.import_module(_MODULE)
        finally:
            vars(boto3)["Session"] = session
            vars(moto.utilities.utils)["load_resource"] = load_resource
    tables: Any = sys.modules[_MODULE]
    types = InstanceTypes()
    tables.INSTANCE_TYPES = types
    tables.INSTANCE_FAMILIES = _Families(types)
    tables.InstanceTypeBackend.instance_types = _AllTypes(types, tables.InstanceType)
    by_type = tables.INSTANCE_TYPE_OFFERINGS
    for location_type in by_type:
        by_type[location_type] = RegionalOfferings(location_type)


def _load_no_table(resource: str) -> Any:
    if resource == _TYPES:
        return {}
    return [] if resource.startswith(_FOLDER) else load_resource(resource)
