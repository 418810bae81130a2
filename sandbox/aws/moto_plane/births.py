"""Backends of moto come into being the same way each time, whoever asks first.

moto makes a region's backend on first use, with a default VPC or an account's settings
under random ids. A mere read may be the first use, and reads are not journaled: so the ids
follow from the installation's seed and the backend's name.
"""

from typing import Any

from moto.core import base_backend

from sandbox.aws.moto_plane.moment import Moment, lived

_BORN_BEFORE = base_backend.AccountSpecificBackend.__getitem__


def install(seed: str, born_at: float) -> None:
    """Make every backend follow from `seed`, created at `born_at` (epoch seconds)."""

    def getitem(self: base_backend.AccountSpecificBackend[Any], region: str) -> Any:
        if region in self.keys():
            return dict.__getitem__(self, region)
        name = f"{seed}/{self.service_name}/{self.account_id}/{region}"
        with lived(Moment(born_at, name)):
            return _BORN_BEFORE(self, region)

    base_backend.AccountSpecificBackend.__getitem__ = getitem  # type: ignore[method-assign]
