"""The file systems of a build's stages, and how steps change them; it decides nothing.

A stage is a folder and the Python environments mounted into it. Environments are never
copied: `COPY --from` of one mounts the same environment again.
"""

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.ignore import IgnoreRules, glob_regex
from sandbox.aws.builder.node_packages import NodePackages
from sandbox.aws.builder.plan import (
    ChangeMode,
    Copy,
    MakeFolders,
    MakeVenv,
    Note,
    NpmInstall,
    NpmRun,
    PipInstall,
    Remove,
    StagePlan,
    Step,
    UvSync,
)
from sandbox.aws.builder.python_env import PythonEnv, PythonEnvs


@dataclass(slots=True)
class StageFiles:
    """What a stage holds."""

    plan: StagePlan
    root: Path
    envs: dict[str, PythonEnv] = field(default_factory=dict)
    """Python environments by their place in the stage."""

    def path(self, inside: str) -> Path:
        """Return where a path of the stage is on this host.

        Raises:
            BuildFailedError: a link leads out of the stage.

        """
        path = self.root / inside.lstrip("/")
        if path != self.root and not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise BuildFailedError(f"{inside} leads out of the stage")
        return path


class Workspace:
    """Runs the steps of all stages of one build, in order."""

    def __init__(
        self,
        folder: Path,
        context: Path,
        *,
        pythons: PythonEnvs,
        node: NodePackages,
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._context = context
        self._context_files = sorted(IgnoreRules.of(context).files(context))
        self._pythons = pythons
        self._node = node
        self._say = say
        self._stages: dict[str, StageFiles] = {}
        self._handlers: Mapping[type[Step], Callable[..., None]] = {
            Note: self._note,
            Copy: self._copy,
            MakeVenv: self._make_venv,
            PipInstall: self._pip_install,
            UvSync: self._uv_sync,
            NpmInstall: self._npm_install,
            NpmRun: self._npm_run,
            MakeFolders: self._make_folders,
            Remove: self._remove,
            ChangeMode: self._change_mode,
        }

    def build(self, plan: StagePlan) -> StageFiles:
        """Run one stage's steps; the stages that it takes from were built before."""
        stage = StageFiles(plan=plan, root=self._folder / plan.name)
        if plan.parent:
            parent = self._stages[plan.parent]
            shutil.copytree(parent.root, stage.root, symlinks=True)
            stage.envs.update(parent.envs)
        stage.root.mkdir(parents=True, exist_ok=True)
        stage.path(plan.settings.workdir).mkdir(parents=True, exist_ok=True)
        if plan.base.kind == "node":
            self._node.check(plan.base.version)
        for step in plan.steps:
            self._say(f"[{plan.name}] {step.text}")
            self._handlers[type(step)](stage, step)
        self._stages[plan.name] = stage
        return stage

    def _note(self, stage: StageFiles, step: Note) -> None:
        del stage
        self._say(f"  nothing to do: {step.why}")

    def _copy(self, stage: StageFiles, step: Copy) -> None:
        mounted: set[str] = set()
        if step.stage is None:
            found = self._context_sources(step)
            base = self._context
        else:
            source = self._stages[step.stage]
            base = source.root
            sources = [s.lstrip("/") for s in step.sources]
            found = _matches(sources, _files_of(source.root))
            mounted = _mount_again(step, source, stage)
        missing = [s for s in step.sources if _clean(s) not in {*found, *mounted}]
        if missing:
            raise BuildFailedError(
                f"line {step.line}: {step.text}: {missing[0]!r} is not in the "
                + ("build context" if step.stage is None else f"stage {step.stage!r}")
            )
        for source_word, files in found.items():
            self._copy_files(stage, step, base, source_word, files)

    def _context_sources(self, step: Copy) -> Mapping[str, Sequence[str]]:
        sources = [_clean(source) for source in step.sources]
        for source in sources:
            if source.startswith("../"):
                raise BuildFailedError(f"line {step.line}: {source!r} is outside the context")
        return _matches(sources, self._context_files)

    def _copy_files(
        self, stage: StageFiles, step: Copy, base: Path, source: str, files: Sequence[str]
    ) -> None:
        """Copy what one word of a COPY names: a folder gives its content, a file itself."""
        is_folder = source == "." or (base / source).is_dir()
        folder_wanted = step.into_folder or stage.path(step.destination).is_dir()
        if is_folder:
            stage.path(step.destination).mkdir(parents=True, exist_ok=True)
        for name in files:
            if is_folder:
                inner = name if source == "." else posixpath.relpath(name, source)
                place = posixpath.join(step.destination, inner)
            elif folder_wanted:
                place = posixpath.join(step.destination, posixpath.basename(name))
            else:
                place = step.destination
            target = stage.path(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_one(base / name, target, step.mode)

    def _make_venv(self, stage: StageFiles, step: MakeVenv) -> None:
        stage.envs[step.venv] = self._pythons.empty(stage.plan.base.version)

    def _pip_install(self, stage: StageFiles, step: PipInstall) -> None:
        stage.envs[step.venv] = self._pythons.with_packages(
            self._env(stage, step.venv),
            requirements=[stage.path(path) for path in step.requirements],
            packages=step.packages,
            options=step.options,
            workdir=stage.path(step.workdir),
        )

    def _uv_sync(self, stage: StageFiles, step: UvSync) -> None:
        workdir = stage.path(step.workdir)
        if not (workdir / "uv.lock").is_file() or not (workdir / "pyproject.toml").is_file():
            raise BuildFailedError(
                f"line {step.line}: {step.text}: needs pyproject.toml and uv.lock in {step.workdir}"
            )
        env = self._env(stage, step.venv)
        stage.envs[step.venv] = self._pythons.synced(env, options=step.options, workdir=workdir)

    def _env(self, stage: StageFiles, place: str) -> PythonEnv:
        return stage.envs.get(place) or self._pythons.empty(stage.plan.base.version)

    def _npm_install(self, stage: StageFiles, step: NpmInstall) -> None:
        self._node.install(stage.path(step.workdir), step.arguments)

    def _npm_run(self, stage: StageFiles, step: NpmRun) -> None:
        self._node.run_script(stage.path(step.workdir), step.script, step.environment)

    def _make_folders(self, stage: StageFiles, step: MakeFolders) -> None:
        for path in step.paths:
            stage.path(path).mkdir(parents=True, exist_ok=True)

    def _remove(self, stage: StageFiles, step: Remove) -> None:
        for pattern in step.paths:
            for path in stage.root.glob(pattern.lstrip("/") or "*"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _change_mode(self, stage: StageFiles, step: ChangeMode) -> None:
        for name in step.paths:
            path = stage.path(name)
            if not path.exists():
                continue
            mode = path.stat().st_mode | 0o111
            if step.mode.isdigit():
                mode = int(step.mode, 8) | (0o700 if path.is_dir() else 0o600)
            path.chmod(mode)


def _mount_again(step: Copy, source: StageFiles, stage: StageFiles) -> set[str]:
    """Carry over environments that a COPY --from names, or that lie below what it names."""
    mounted = set()
    for word in step.sources:
        place = "/" + _clean(word)
        for env_place, env in source.envs.items():
            if env_place == place or env_place.startswith(f"{place.rstrip('/')}/"):
                inner = posixpath.relpath(env_place, place)
                stage.envs[posixpath.normpath(posixpath.join(step.destination, inner))] = env
                mounted.add(_clean(word))
            elif place.startswith(f"{env_place}/"):
                raise BuildFailedError(
                    f"line {step.line}: {step.text}: only a whole virtual environment can be "
                    f"copied from a stage, here {env_place}"
                )
    return mounted


def _matches(sources: Sequence[str], files: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return, for each source word that names anything, the files that it names."""
    found: dict[str, list[str]] = {}
    for source in sources:
        if source == ".":
            found[source] = list(files)
            continue
        pattern = re.compile(glob_regex(source))
        named = [n for n in files if any(pattern.fullmatch(part) for part in _prefixes(n))]
        if named:
            found[source] = named
    return found


def _prefixes(name: str) -> Sequence[str]:
    parts = name.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _files_of(root: Path) -> Sequence[str]:
    found = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        empty = [here] if not names and not folders and here != root else []
        found += [(here / name).relative_to(root).as_posix() for name in (*names, *links)]
        found += [path.relative_to(root).as_posix() for path in empty]
    return sorted(found)


def _copy_one(source: Path, target: Path, mode: int | None) -> None:
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    if target.is_symlink():
        target.unlink()
    shutil.copyfile(source, target)
    target.chmod(mode if mode is not None else source.stat().st_mode & 0o777)


def _clean(source: str) -> str:
    return posixpath.normpath(source.lstrip("/") or ".")
