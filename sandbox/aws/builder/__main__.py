"""`python -m sandbox.aws.builder`: build without a container engine, and push.

Settings come as PLUGIN_* variables, the result goes to PLUGIN_ARTIFACT_FILE as the
kaniko-ecr plugin writes it; progress is one line at a time on stdout.
"""

import sys
import tempfile
from pathlib import Path

from sandbox.aws.builder.build import BuildRequest, Workshop, build
from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.plugin import Say, credentials_of, run_plugin
from sandbox.aws.builder.push import Registry
from sandbox.aws.builder.settings import BuildSettings, named
from sandbox.errors import SandboxError
from sandbox.host import host_environment
from sandbox.settings import Settings


def main() -> int:
    """Run one build; return the exit code."""
    return run_plugin(__doc__ or "", _build_and_push)


def _build_and_push(settings: BuildSettings, dockerfile: Path, say: Say) -> str:
    request = BuildRequest(
        context=settings.context,
        dockerfile=dockerfile,
        build_args=named(settings.build_args),
        labels=named(settings.custom_labels),
        target=settings.target,
    )
    workshop = Workshop(cache=Settings().home / "cache", environment=host_environment(), say=say)
    say(f"building {settings.context} as {dockerfile} says, without a container engine")
    with tempfile.TemporaryDirectory(prefix="sandbox-image-") as folder:
        try:
            image = build(request, workshop, Path(folder))
        except SandboxError as error:
            lines = [f"{dockerfile}: {line}" for line in error.message.splitlines()]
            raise BuildFailedError("\n".join(lines), hint=error.hint) from error
        say(f"image {image.digest}, {sum(x.size_bytes for x in image.layers) / 1e6:.1f} MB")
        registry = Registry(
            settings.registry,
            settings.repo,
            endpoint=settings.aws_endpoint,
            credentials=credentials_of(settings),
        )
        registry.push(image, settings.tags, say)
    return image.digest


if __name__ == "__main__":
    sys.exit(main())
