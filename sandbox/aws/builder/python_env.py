"""Virtual environments made by uv, kept by the content that made them; it reads no Dockerfile.

`<cache>/python/<key>/venv` is an environment for ever: the key is the hash of everything
that went into it, so an unchanged lock or requirements file costs nothing.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.oci import Entry, Layer, write_layer
from sandbox.aws.runtime.process.interpreter import find_interpreter

_VERSION = "1"
"""Part of every key: raise it when environments are made differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonEnv:
    """One environment of the cache."""

    key: str
    folder: Path
    version: str
    """major.minor of its Python."""


class PythonEnvs:
    """Makes and keeps environments. Safe for several processes: each appears by one rename."""

    def __init__(
        self,
        cache: Path,
        *,
        uv: str,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._cache = cache / "python"
        self._layers = cache / "layers"
        self._uv = uv
        self._environment = {
            **{k: v for k, v in environment.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH"}},
            "UV_NO_PROGRESS": "1",
        }
        self._say = say
        for folder in (self._cache, self._layers):
            folder.mkdir(parents=True, exist_ok=True)

    def empty(self, asked_version: str) -> PythonEnv:
        """Return an environment without packages, for the Python that a tag asks for."""
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        wanted = asked_version or here
        interpreter = find_interpreter(wanted)
        if interpreter is None:
            self._say(f"note: Python {wanted} is not on this host; Python {here} is used instead")
            wanted, interpreter = here, find_interpreter(here)
        key = _key("empty", wanted, str(interpreter))

        def make(folder: Path) -> None:
            arguments = ["venv", "--relocatable", "--no-project", "--python", str(interpreter)]
            self._run([*arguments, str(folder)], cwd=folder.parent)

        return self._kept(key, wanted, make)

    def with_packages(
        self,
        env: PythonEnv,
        *,
        requirements: Sequence[Path],
        packages: Sequence[str],
        options: Sequence[str],
        workdir: Path,
    ) -> PythonEnv:
        """Return `env` with these packages added."""
        content = [path.read_text() for path in _all_requirements(requirements)]
        local = _tree_hash(workdir) if "." in packages else ""
        key = _key(env.key, *content, "|", *packages, "|", *options, local)
        files = [word for path in requirements for word in ("-r", str(path))]

        def make(folder: Path) -> None:
            shutil.copytree(env.folder, folder, symlinks=True)
            target = ["--python", str(folder / "bin" / "python")]
            self._run(["pip", "install", *target, *options, *files, *packages], cwd=workdir)
            self._compile(folder)

        return self._kept(key, env.version, make)

    def synced(self, env: PythonEnv, *, options: Sequence[str], workdir: Path) -> PythonEnv:
        """Return `env` with the locked packages of the project in `workdir`.

        Without `--no-install-project` the project itself goes in too, as it is now and not
        as a link, because the link would point into the build.
        """
        parts = [(workdir / name).read_text() for name in ("pyproject.toml", "uv.lock")]
        local = "" if "--no-install-project" in options else _tree_hash(workdir)
        key = _key(env.key, "sync", *parts, *options, local)

        def make(folder: Path) -> None:
            shutil.copytree(env.folder, folder, symlinks=True)
            fixed = [] if "--locked" in options or "--frozen" in options else ["--frozen"]
            plain = [] if "--no-editable" in options else ["--no-editable"]
            self._run(
                ["sync", "--active", *fixed, *plain, *options],
                cwd=workdir,
                extra={"VIRTUAL_ENV": str(folder)},
            )
            self._compile(folder)

        return self._kept(key, env.version, make)

    def layer(self, env: PythonEnv, place: str) -> Layer:
        """Return the layer that holds the environment at `place`; packed once."""
        name = _key(env.key, "layer", place)
        record, path = self._layers / f"{name}.json", self._layers / f"{name}.tar.gz"
        if record.exists() and path.exists():
            return Layer(path=path, **json.loads(record.read_text()))
        draft = self._layers / f"{uuid.uuid4()}.tmp"
        made = write_layer(_entries(env, place), draft, created_by=f"python packages at {place}")
        draft.rename(path)
        fields = {
            "digest": made.digest,
            "diff_id": made.diff_id,
            "size_bytes": made.size_bytes,
            "created_by": made.created_by,
        }
        draft.write_text(json.dumps(fields))
        draft.rename(record)
        return Layer(path=path, **json.loads(record.read_text()))

    def _kept(self, key: str, version: str, make: Callable[[Path], None]) -> PythonEnv:
        final = self._cache / key
        if not final.exists():
            draft = self._cache / f"{uuid.uuid4()}.tmp"
            draft.mkdir()
            try:
                make(draft / "venv")
                draft.rename(final)
            except OSError:
                # Another build made the same environment meanwhile.
                if not final.exists():
                    raise
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        else:
            self._say(f"python environment {key[:12]} is in the cache")
        return PythonEnv(key=key, folder=final / "venv", version=version)

    def _compile(self, folder: Path) -> None:
        """Compile all modules; neither the build's time nor its place is part of the result."""
        arguments = [
            "-I",
            "-m",
            "compileall",
            "-q",
            "-j",
            "2",
            "--invalidation-mode",
            "unchecked-hash",
        ]
        where = ["-s", str(folder), "-p", "/venv", str(folder / "lib")]
        # A package may carry files that are not for this Python; they stay as they are.
        subprocess.run(
            [str(folder / "bin" / "python"), *arguments, *where], capture_output=True, check=False
        )

    def _run(
        self, arguments: Sequence[str], *, cwd: Path, extra: Mapping[str, str] | None = None
    ) -> None:
        done = subprocess.run(
            [self._uv, *arguments],
            cwd=cwd,
            env={**self._environment, **(extra or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        for line in lines if done.returncode else lines[-40:]:
            self._say(f"  uv: {line}")
        if done.returncode:
            verb = " ".join(word for word in arguments[:2] if not word.startswith("-"))
            raise BuildFailedError(f"uv {verb} failed: {lines[-1] if lines else 'no output'}")


def _entries(env: PythonEnv, place: str) -> Iterable[Entry]:
    """Return the environment's files; its interpreter is named as a real base image has it."""
    prefix = place.strip("/")
    for path in env.folder.rglob("*"):
        inner = path.relative_to(env.folder).as_posix()
        name = f"{prefix}/{inner}"
        if inner == "bin/python":
            yield Entry(name=name, link=f"/usr/local/bin/python{env.version}")
        elif inner == "pyvenv.cfg":
            text = re.sub(r"(?m)^home = .*$", "home = /usr/local/bin", path.read_text())
            yield Entry(name=name, content=text.encode())
        elif inner not in {".lock", ".gitignore", "CACHEDIR.TAG"}:
            yield Entry(name=name, source=path)


def _all_requirements(files: Sequence[Path]) -> Sequence[Path]:
    """Return the files and those that they include."""
    found = list(files)
    for path in found:
        if not path.is_file():
            raise BuildFailedError(f"{path.name} is not there: was it copied before the install?")
        for match in re.finditer(r"(?m)^\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)",
                                 path.read_text()):  # fmt: skip
            included = path.parent / match[1]
            if included not in found:
                found.append(included)
    return found


def _tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join((_VERSION, sys.platform, *parts)).encode()).hexdigest()[:32]
