"""Runs npm for a build: installs are kept by lock file, scripts run as the stage says.

The commands are npm's own; no text of a Dockerfile reaches a shell. What `package.json`
makes npm run (life-cycle scripts, the build) is the app's own code and runs on this host.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.aws.builder.errors import BuildFailedError

_KEPT_OF_HOST = ("PATH", "HOME")
_BUILD_CACHE = ".next/cache"
_KEPT_FOLDERS = 8


class NodePackages:
    """npm with a cache of whole `node_modules` folders."""

    def __init__(
        self, cache: Path, *, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._cache = cache / "node"
        self._cache.mkdir(parents=True, exist_ok=True)
        self._environment = environment
        self._say = say
        self._npm = shutil.which("npm", path=environment.get("PATH"))
        self._versions = ""
        self._keys: dict[Path, str] = {}

    def check(self, asked_version: str) -> None:
        """Tell when the host's Node is not the one that the base image's tag asks for."""
        node = shutil.which("node", path=self._environment.get("PATH"))
        if node is None or self._npm is None:
            raise BuildFailedError(
                "the Dockerfile builds with node and npm, and this host has none on PATH",
                hint="Install Node.js 18 or later.",
            )
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        self._versions = done.stdout.strip()
        if asked_version and not self._versions.startswith(f"v{asked_version}."):
            self._say(f"note: the base image has Node {asked_version}, this host {self._versions}")

    def install(self, folder: Path, arguments: Sequence[str]) -> None:
        """Fill `folder/node_modules`; an unchanged lock file takes it from the cache."""
        inputs = [folder / name for name in ("package.json", "package-lock.json", ".npmrc")]
        parts = [path.read_bytes() for path in inputs if path.is_file()]
        parts += [word.encode() for word in (*arguments, self._versions)]
        key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
        self._keys[folder] = key
        kept = self._cache / key
        modules = folder / "node_modules"
        if kept.exists():
            self._say(f"node_modules {key[:12]} is in the cache")
            os.utime(kept)
            _link_tree(kept, modules)
            return
        self._run(arguments, folder, {})
        if (folder / "package-lock.json").is_file() and modules.is_dir():
            draft = self._cache / f"{uuid.uuid4()}.tmp"
            _link_tree(modules, draft)
            try:
                draft.rename(kept)
            except OSError:
                # Another build kept the same folder meanwhile.
                shutil.rmtree(draft)
            self._prune()

    def _prune(self) -> None:
        """Drop the folders that were not used for longest: each has hundreds of megabytes."""
        folders = [path for path in self._cache.iterdir() if path.suffix != ".tmp"]
        newest = sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in newest[_KEPT_FOLDERS:]:
            shutil.rmtree(path, ignore_errors=True)

    def run_script(self, folder: Path, script: str, environment: Mapping[str, str]) -> None:
        """Run a script of `package.json` under the stage's environment.

        A build tool finds its own cache of the last build with the same lock file again.
        """
        kept = self._cache / f"{self._keys.get(folder, 'none')}-build-cache"
        place = folder / _BUILD_CACHE
        if kept.is_dir() and not place.exists():
            shutil.copytree(kept, place)
        self._run(["run", script], folder, environment)
        if place.is_dir():
            draft = self._cache / f"{uuid.uuid4()}.tmp"
            shutil.copytree(place, draft)
            # Two builds at once: the later cache wins, and either is good.
            shutil.rmtree(kept, ignore_errors=True)
            with contextlib.suppress(OSError):
                draft.rename(kept)
            shutil.rmtree(draft, ignore_errors=True)

    def _run(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        own = {k: v for k, v in environment.items() if k not in _KEPT_OF_HOST}
        process = subprocess.Popen(
            [str(self._npm), *words],
            cwd=folder,
            env={**self._environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            for line in process.stdout or ():
                if line.strip():
                    self._say(f"  npm: {line.rstrip()}")
        if process.returncode:
            raise BuildFailedError(
                f"npm {' '.join(words)} ended with exit code {process.returncode}"
            )


def _link_tree(source: Path, target: Path) -> None:
    """Copy a tree by hard links: 40,000 small files in about a second."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> str:
    Path(target).hardlink_to(source)
    return target
