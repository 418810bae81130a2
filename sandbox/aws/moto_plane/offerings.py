"""EC2's tables of instance types by region and zone, read when somebody asks.

moto reads those of every region as it is imported: 60 MB and half a second.
"""

import sys
from pathlib import Path
from typing import Any

import moto
import moto.utilities.utils
from moto.utilities.utils import load_resource

_FOLDER = "ec2/resources/instance_type_offerings"
_MODULE = "moto.ec2.models.instance_types"


class RegionalOfferings(dict[str, Any]):
    """Region to offerings of one location type."""

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


def install() -> None:
    """Import the module without its tables; nothing of EC2 may be imported before."""
    if _MODULE in sys.modules:
        return
    moto.utilities.utils.load_resource = _load_no_offerings
    try:
        from moto.ec2.models import instance_types
    finally:
        moto.utilities.utils.load_resource = load_resource
    vars(instance_types)["load_resource"] = load_resource
    by_type = instance_types.INSTANCE_TYPE_OFFERINGS
    for location_type in by_type:
        by_type[location_type] = RegionalOfferings(location_type)


def _load_no_offerings(resource: str) -> Any:
    return [] if resource.startswith(_FOLDER) else load_resource(resource)
