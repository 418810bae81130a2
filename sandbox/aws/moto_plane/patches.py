"""Changes to moto's process-wide state, made once, before any service is loaded.

Everything here replaces a public module attribute from outside; moto's files are not
touched. What adds operations or resources lives in `responses.py`, `acm.py` and `iam.py`.
"""

import functools
import sys

import moto.backends
import moto.core
import moto.core.common_models
import moto.core.loaders
import moto.core.models
import moto.core.responses
import moto.core.utils

from sandbox.aws.moto_plane import region_names


@functools.cache
def apply_patches(account_id: str) -> None:
    """Prepare moto for one account, once a process; before a service of moto is imported."""
    _name_account(account_id)
    _stop_instance_tracking()
    _cache_lookups()
    region_names.install()


def _name_account(account_id: str) -> None:
    # The name is copied into each module that imports it; later ones copy it from here.
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and hasattr(module, "DEFAULT_ACCOUNT_ID"):
            vars(module)["DEFAULT_ACCOUNT_ID"] = account_id


def _stop_instance_tracking() -> None:
    """Keep no list of every model ever made: moto's dashboard wants it, memory does not."""

    def new(cls: type, *_args: object, **_kwargs: object) -> object:
        return object.__new__(cls)

    moto.core.common_models.BaseModel.__new__ = new  # type: ignore[method-assign, assignment]


def _cache_lookups() -> None:
    """Cache what moto works out again for each request though it never changes."""
    modules = tuple(moto.backends.list_of_moto_modules())
    moto.backends.list_of_moto_modules = lambda: modules
    names = functools.cache(moto.core.utils.method_names_from_class)
    moto.core.responses.method_names_from_class = names  # type: ignore[attr-defined]
    # Each loader looks for every service's model anew, which takes longer than to read one.
    loader = moto.core.loaders.create_loader()
    vars(moto.core.utils)["create_loader"] = lambda: loader
