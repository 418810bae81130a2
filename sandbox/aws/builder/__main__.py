"""`python -m sandbox.aws.builder`: build and push by the drone plugin convention.

Settings come as PLUGIN_* variables, the result goes to PLUGIN_ARTIFACT_FILE as the
kaniko-ecr plugin writes it; progress is one line at a time on stdout.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from pydantic import ValidationError

from sandbox.aws.builder.build import BuildRequest, Workshop, build
from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.oci import BuiltImage
from sandbox.aws.builder.push import Credentials, Registry
from sandbox.aws.builder.settings import BuildSettings, named
from sandbox.errors import SandboxError, UsageError
from sandbox.settings import Settings, host_environment


def main() -> int:
    """Run one build; return the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        _say(_help())
        return 0
    begun = time.monotonic()
    try:
        settings = _settings()
        digest = _build_and_push(settings)
    except SandboxError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return error.exit_code
    _say(f"done in {time.monotonic() - begun:.1f} s: {settings.repo} {digest}")
    return 0


def _build_and_push(settings: BuildSettings) -> str:
    dockerfile = settings.dockerfile or settings.context / "Dockerfile"
    request = BuildRequest(
        context=settings.context,
        dockerfile=dockerfile,
        build_args=named(settings.build_args),
        labels=named(settings.custom_labels),
        target=settings.target,
    )
    workshop = Workshop(cache=Settings().home / "cache", environment=host_environment(), say=_say)
    _say(f"building {settings.context} as {dockerfile} says, without a container engine")
    with tempfile.TemporaryDirectory(prefix="sandbox-image-") as folder:
        try:
            image = build(request, workshop, Path(folder))
        except SandboxError as error:
            lines = [f"{dockerfile}: {line}" for line in error.message.splitlines()]
            raise BuildFailedError("\n".join(lines), hint=error.hint) from error
        _say(f"image {image.digest}, {sum(x.size_bytes for x in image.layers) / 1e6:.1f} MB")
        _registry(settings).push(image, settings.tags, _say)
    _write_artifact(settings, image)
    return image.digest


def _registry(settings: BuildSettings) -> Registry:
    return Registry(
        settings.registry,
        settings.repo,
        endpoint=settings.aws_endpoint,
        credentials=Credentials(
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value(),
            assume_role=settings.assume_role,
            external_id=settings.external_id,
        ),
    )


def _write_artifact(settings: BuildSettings, image: BuiltImage) -> None:
    """Source: drone-kaniko, pkg/artifact."""
    if settings.artifact_file is None:
        return
    images = [{"image": f"{settings.repo}:{tag}", "digest": image.digest} for tag in settings.tags]
    data = {"registryType": "ECR", "registryUrl": settings.registry, "images": images}
    settings.artifact_file.parent.mkdir(parents=True, exist_ok=True)
    settings.artifact_file.write_text(json.dumps({"kind": "docker/v1", "data": data}))


def _settings() -> BuildSettings:
    try:
        settings = BuildSettings()
    except ValidationError as error:
        reasons = [
            f"PLUGIN_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        ]
        raise UsageError("\n".join(reasons)) from error
    if not settings.tags:
        raise UsageError("PLUGIN_TAGS: at least one tag is needed")
    return settings


def _help() -> str:
    rows = [
        f"  PLUGIN_{name.upper():<14} {field.description}"
        for name, field in BuildSettings.model_fields.items()
        if name != "aws_endpoint"
    ]
    return "\n".join([(__doc__ or "").strip(), "", *rows, "  AWS_ENDPOINT_URL      the endpoint"])


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
