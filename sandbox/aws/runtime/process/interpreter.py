"""Gives an unpacked virtual environment this host's Python; it installs nothing.

An image carries packages, not an interpreter: `sandbox.python` says which one they need.
"""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from sandbox.aws.runtime.port import ImagePullError


def adopt_interpreter(venv: Path, version: str) -> None:
    """Point the environment at a Python `version` (major.minor) of this host.

    Raises:
        ImagePullError: the host has none.

    """
    interpreter = find_interpreter(version)
    if interpreter is None:
        raise ImagePullError(
            f"CannotPullContainerError: the image's packages are for Python {version} and this "
            f"host has none: install python{version}, or use a container engine"
        )
    link = venv / "bin" / "python"
    link.unlink(missing_ok=True)
    link.symlink_to(interpreter)
    settings = venv / "pyvenv.cfg"
    lines = settings.read_text().splitlines()
    kept = [line for line in lines if not re.match(r"home\s*=", line)]
    settings.write_text("\n".join([f"home = {interpreter.parent}", *kept]) + "\n")


@cache
def find_interpreter(version: str) -> Path | None:
    """Return the host's Python of this major.minor version, outside any environment."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        base = Path(sys.base_prefix) / "bin" / f"python{version}"
        return base if base.exists() else Path(sys.executable).resolve()
    found = shutil.which(f"python{version}")
    if found is None:
        return None
    script = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.base_prefix)"
    done = subprocess.run(
        [found, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )
    actual, _, prefix = done.stdout.strip().partition("\n")
    real = Path(prefix) / "bin" / f"python{version}"
    return real if done.returncode == 0 and actual == version and real.exists() else None
