"""`python -m sandbox.images.builder`: build on the container engine, and push to ECR.

The Dockerfile is built as it is. Settings come as PLUGIN_* variables, the result goes to
PLUGIN_ARTIFACT_FILE as the kaniko-ecr plugin writes it; progress is one line at a time.
"""

import sys
from pathlib import Path

import docker

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.plugin import Say, credentials_of, run_plugin
from sandbox.aws.builder.push import ecr_login
from sandbox.aws.builder.settings import BuildSettings, named
from sandbox.container_engine import connect
from sandbox.errors import UsageError
from sandbox.host import host_environment
from sandbox.images.build import ImageBuild, choose_builder
from sandbox.images.engine import BUILD_TIMEOUT_S, look_up
from sandbox.images.push import forget, keep_layers, push, pushed_name
from sandbox.images.references import base_images


def main() -> int:
    """Run one build; return the exit code."""
    return run_plugin(__doc__ or "", _build_and_push)


def _build_and_push(settings: BuildSettings, dockerfile: Path, say: Say) -> str:
    if not dockerfile.is_file():
        raise BuildFailedError(f"{dockerfile} is no file")
    environment = host_environment()
    client = connect(environment, timeout_s=BUILD_TIMEOUT_S)
    builder = choose_builder(client, environment)
    # First, as it costs nothing: a build whose image nobody takes is a waste.
    login = ecr_login(settings.registry, credentials_of(settings))
    name = pushed_name(settings.registry, settings.repo, login)
    say(f"building {settings.context} as {dockerfile} says, with {builder.name}")
    build = ImageBuild(
        context=settings.context,
        dockerfile=dockerfile,
        build_args=named(settings.build_args),
        labels=named(settings.custom_labels),
        target=settings.target,
    )
    absent = _absent_bases(client, dockerfile)
    for base in absent:
        say(f"{base} is not on the engine: its registry is asked")
    try:
        image = client.images.get(builder.build(build, say))
    except BuildFailedError as error:
        hint = f"`sandbox images prepare {dockerfile}` brings its base images." if absent else ""
        raise BuildFailedError(error.message, hint=hint) from error
    say(f"image {image.short_id}, {int(image.attrs['Size']) / 1e6:.1f} MB")
    try:
        digest = push(client, image, name, settings.tags, login, say)
        keep_layers(client, image, name)
    finally:
        forget(client, name, settings.tags)
    return digest


def _absent_bases(client: docker.DockerClient, dockerfile: Path) -> list[str]:
    """Return the base images that the engine does not have; the build itself judges the rest."""
    try:
        names = base_images([dockerfile], [])
    except UsageError:
        return []
    return [name for name in names if look_up(client, name).origin == "missing"]


if __name__ == "__main__":
    sys.exit(main())
