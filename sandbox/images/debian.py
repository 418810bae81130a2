"""Makes the root file system of the stand-ins from Debian packages, by mmdebstrap.

Mirrors, proxies and time checks are the host's own, as its apt tells them.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.errors import DependencyError, SandboxError

SUITE = "bookworm"
"""The Debian release whose python3 is 3.11, as the workshop's base image has it."""

_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
_LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
_KEPT_OPTIONS = re.compile(r'^Acquire::(Check-Valid-Until|Check-Date) "[^"]*";$', re.MULTILINE)
_PROXY = re.compile(r'^Acquire::(https?)::Proxy "([^"]+)";$', re.MULTILINE)


def make_root_file_system(
    target: Path, environment: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Write a tar of a minimal Debian with certificates.

    Raises:
        DependencyError: mmdebstrap is missing.
        SandboxError: it failed; carries its last words.
    """
    program = shutil.which("mmdebstrap", path=environment.get("PATH"))
    if program is None:
        raise DependencyError(
            "mmdebstrap is missing: stand-ins for base images are made with it.",
            hint="`apt-get install mmdebstrap`, or run this where a registry can be reached.",
        )
    options = _printed(environment, "apt-config", "dump")
    targets = _printed(
        environment,
        *("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"),
        "Created-By: Packages",
    )
    memory = Path("/dev/shm")  # noqa: S108  (a folder of one's own is made in it)
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        process = subprocess.Popen(
            [program, *debootstrap_words(target, sources(targets), kept_options(options))],
            env={**proxies(options), **environment, "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines = []
        with process:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                say(line)
    if process.returncode != 0:
        words = "\n".join(lines[-8:])
        raise SandboxError(
            f"mmdebstrap ended with {process.returncode}:\n{words}",
            hint=f"It needs a Debian mirror that has {SUITE}, and root or user namespaces.",
        )


def debootstrap_words(target: Path, mirrors: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return the words after `mmdebstrap`."""
    return [
        *("--variant=apt", "--format=tar", "--include=ca-certificates,usr-is-merged"),
        # Without it the package usrmerge does the same later, and brings all of perl.
        f"--hook-dir={_MERGED_USR}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
        "--dpkgopt=force-unsafe-io",
        # Taken out of the image again by the base's Dockerfile: official images have it not.
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--aptopt={option}" for option in options),
        *(SUITE, str(target), *mirrors),
    ]


def sources(index_targets: str) -> list[str]:
    """Return the host's Debian mirrors as `deb` lines for the stand-ins' release.

    Empty where the host is no Debian: then mmdebstrap's own default counts.
    """
    rows = [line.split() for line in index_targets.splitlines() if len(line.split()) == 3]
    main = [(uri, release) for uri, release, component in rows if component == "main"]
    same = [f"deb {uri} {release} main" for uri, release in main if release.startswith(SUITE)]
    if same:
        return same
    uris = dict.fromkeys(uri for uri, release in main if "debian" in uri and "-" not in release)
    return [f"deb {uri} {SUITE} main" for uri in uris]


def kept_options(apt_config: str) -> list[str]:
    """Return the options that a mirror's age makes necessary."""
    return [match[0] for match in _KEPT_OPTIONS.finditer(apt_config)]


def proxies(apt_config: str) -> dict[str, str]:
    """Return apt's proxies as variables: they are used, but kept in no image."""
    return {f"{match[1]}_proxy": match[2] for match in _PROXY.finditer(apt_config)}


def _printed(environment: Mapping[str, str], *words: str) -> str:
    try:
        done = subprocess.run(
            words, env=dict(environment), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout
