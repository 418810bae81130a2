"""From an app folder and its Dockerfile to an OCI image; it does not push.

Source of the idea: Cloud Native Buildpacks. The image has no base: it runs on the host's
interpreter or file server, as its `sandbox.*` labels say.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from uv import find_uv_bin

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.evaluate import plan_build
from sandbox.aws.builder.node_packages import NodePackages
from sandbox.aws.builder.oci import BuiltImage, Entry, Layer, image, tree, write_layer
from sandbox.aws.builder.plan import BuildPlan
from sandbox.aws.builder.python_env import PythonEnvs
from sandbox.aws.builder.runs import SYSTEM_VENV
from sandbox.aws.builder.workspace import StageFiles, Workspace
from sandbox.aws.runtime.process.images import (
    BUILDPACK_LABEL,
    PYTHON_LABEL,
    STATIC_ROOT_LABEL,
    VENV_LABEL,
)

SITE_ROOT = "/usr/share/nginx/html"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build."""

    context: Path
    dockerfile: Path
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where and with what builds are made."""

    cache: Path
    environment: Mapping[str, str]
    """The host's environment: proxies, certificates and package indexes come from it."""
    say: Callable[[str], None]


def build(request: BuildRequest, workshop: Workshop, layers_folder: Path) -> BuiltImage:
    """Build the image; its layer files are in the cache or in `layers_folder`.

    Raises:
        BuildRefusedError: the Dockerfile needs a container engine.
        DockerfileError: it is malformed.
        BuildFailedError: a step failed.

    """
    try:
        text = request.dockerfile.read_text()
    except OSError as error:
        raise BuildFailedError(f"{request.dockerfile}: {error.strerror}") from error
    if not request.context.is_dir():
        raise BuildFailedError(f"the context {request.context} is not a folder")
    plan = plan_build(text, build_args=request.build_args, target=request.target)
    cache = workshop.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    pythons = PythonEnvs(
        cache, uv=find_uv_bin(), environment=workshop.environment, say=workshop.say
    )
    node = NodePackages(cache, environment=workshop.environment, say=workshop.say)
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as folder:
        workspace = Workspace(
            Path(folder), request.context.resolve(), pythons=pythons, node=node, say=workshop.say
        )
        stages = [workspace.build(stage) for stage in plan.stages]
        if plan.final.base.kind == "nginx":
            return _static_image(plan, stages[-1], request, workshop, layers_folder)
        return _python_image(plan, stages[-1], pythons, request, layers_folder)


def _python_image(
    plan: BuildPlan,
    stage: StageFiles,
    pythons: PythonEnvs,
    request: BuildRequest,
    layers_folder: Path,
) -> BuiltImage:
    """One layer for the packages, which seldom change, and one for the app."""
    place = _first_env(stage)
    env = stage.envs.get(place) or pythons.empty(plan.final.base.version)
    app = _app_layer(tree(stage.root, ""), layers_folder, plan)
    labels = {
        BUILDPACK_LABEL: "python",
        VENV_LABEL: place,
        PYTHON_LABEL: env.version,
        "sandbox.base": plan.final.base.image,
    }
    layers = [pythons.layer(env, place), app]
    return image(plan.final.settings, layers, {**request.labels, **labels})


def _static_image(
    plan: BuildPlan,
    stage: StageFiles,
    request: BuildRequest,
    workshop: Workshop,
    layers_folder: Path,
) -> BuiltImage:
    site = stage.path(SITE_ROOT)
    if not site.is_dir() or not any(site.iterdir()):
        raise BuildFailedError(
            f"nothing was copied to {SITE_ROOT}: a site's files are expected there"
        )
    for path in sorted(stage.root.rglob("*")):
        inside = PurePosixPath("/") / path.relative_to(stage.root).as_posix()
        if path.is_file() and not inside.is_relative_to(SITE_ROOT):
            workshop.say(f"note: {inside} is left out: caddy serves the site instead of nginx")
    labels = {
        BUILDPACK_LABEL: "static",
        STATIC_ROOT_LABEL: SITE_ROOT,
        "sandbox.base": plan.final.base.image,
    }
    layer = _app_layer(tree(site, SITE_ROOT), layers_folder, plan)
    return image(plan.final.settings, [layer], {**request.labels, **labels})


def _app_layer(entries: Iterable[Entry], folder: Path, plan: BuildPlan) -> Layer:
    text = "; ".join(step.text for step in plan.final.steps) or "nothing"
    return write_layer(entries, folder / "app.tar.gz", created_by=text)


def _first_env(stage: StageFiles) -> str:
    """Return the place of the environment that the program finds first."""
    folders = stage.plan.settings.environment.get("PATH", "").split(":")
    on_path = [folder.removesuffix("/bin") for folder in folders]
    return next((place for place in on_path if place in stage.envs), None) or next(
        iter(stage.envs), SYSTEM_VENV
    )
