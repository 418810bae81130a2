"""The drone plugin convention around a build: settings in, lines out, artifact file, exit code.

Settings come as PLUGIN_* variables, the result goes to PLUGIN_ARTIFACT_FILE as the
kaniko-ecr plugin writes it; progress is one line at a time on stdout. It builds nothing.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from sandbox.aws.builder.push import Credentials
from sandbox.aws.builder.settings import BuildSettings
from sandbox.errors import SandboxError, UsageError

Say = Callable[[str], None]
BuildAndPush = Callable[[BuildSettings, Path, Say], str]
"""Builds the Dockerfile at the path, pushes every tag, returns the digest."""


def run_plugin(about: str, build_and_push: BuildAndPush) -> int:
    """Run one build as the environment asks for it; return the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        _say(_help(about))
        return 0
    begun = time.monotonic()
    try:
        settings = _settings()
        dockerfile = settings.dockerfile or settings.context / "Dockerfile"
        digest = build_and_push(settings, dockerfile, _say)
        _write_artifact(settings, digest)
    except SandboxError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return error.exit_code
    _say(f"done in {time.monotonic() - begun:.1f} s: {settings.repo} {digest}")
    return 0


def credentials_of(settings: BuildSettings) -> Credentials:
    """Return the AWS credentials that the step was given."""
    return Credentials(
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        assume_role=settings.assume_role,
        external_id=settings.external_id,
    )


def _write_artifact(settings: BuildSettings, digest: str) -> None:
    """Source: drone-kaniko, pkg/artifact."""
    if settings.artifact_file is None:
        return
    images = [{"image": f"{settings.repo}:{tag}", "digest": digest} for tag in settings.tags]
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


def _help(about: str) -> str:
    rows = [
        f"  PLUGIN_{name.upper():<14} {field.description}"
        for name, field in BuildSettings.model_fields.items()
        if name != "aws_endpoint"
    ]
    return "\n".join([about.strip(), "", *rows, "  AWS_ENDPOINT_URL      the endpoint"])


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
