"""The environment that this process was given, for handing on to others; it means nothing by it.

Apart from `settings`, so that small processes read it without what settings import.
"""

import os


def host_environment() -> dict[str, str]:
    """Return a copy of this process's environment."""
    return dict(os.environ)
