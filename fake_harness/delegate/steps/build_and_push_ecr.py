"""`BuildAndPushECR`: hands the build to the plugin command, as Harness hands it to kaniko.

Run twice: pushes the same content again. Source: harness-core PluginSettingUtils (names of
the PLUGIN_* variables), drone-kaniko (artifact file).
"""

import json
import shlex
from collections.abc import Mapping

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.shell import stream


def build_and_push_ecr(context: StepContext) -> StepResult:
    """Build the Dockerfile and push every tag."""
    account, region = context.text("account"), context.text("region")
    name, tags = context.text("imageName"), context.strings("tags")
    if not context.facts.image_builder:
        raise StepFailedError(
            "This delegate builds no images: FAKE_HARNESS_IMAGE_BUILDER names no command.",
            "CONFIGURATION_FAILURE",
        )
    if not tags:
        raise StepFailedError("Step parameter [tags] is empty.", "INVALID_REQUEST")
    registry = f"{account}.dkr.ecr.{region}.amazonaws.com"
    artifact = context.task_dir / "artifact.json"
    environment = {
        **context.facts.environment,
        **context.step_env,
        **{k: str(v) for k, v in context.mapping("envVariables").items()},
        "AWS_REGION": region,
        "PLUGIN_REGISTRY": registry,
        "PLUGIN_REPO": name,
        "PLUGIN_TAGS": ",".join(tags),
        "PLUGIN_DOCKERFILE": _relative(context, context.text("dockerfile", "Dockerfile")),
        "PLUGIN_CONTEXT": _relative(context, context.text("context", ".")),
        "PLUGIN_TARGET": context.text("target", ""),
        "PLUGIN_BUILD_ARGS": _joined(context.mapping("buildArgs")),
        "PLUGIN_CUSTOM_LABELS": _joined(context.mapping("labels")),
        "PLUGIN_ARTIFACT_FILE": str(artifact),
    }
    command = shlex.split(context.facts.image_builder)
    code = stream(context, command, environment, context.workspace)
    if code != 0:
        raise StepFailedError(f"The image build exited with code {code}", "APPLICATION_ERROR")
    published = [
        {
            "imageName": f"{name}",
            "tag": tag,
            "url": f"{registry}/{name}:{tag}",
            "digest": digest,
        }
        for tag, digest in _digests(artifact.read_text(), tags).items()
    ]
    step_id = context.text("identifier", str(context.package.get("stepIdentifier") or ""))
    return StepResult(
        outputs={
            f"artifact_{step_id}": {"stepArtifacts": {"publishedImageArtifacts": published}},
            "publishedImageArtifacts": published,
        },
        output_variables={"digest": str(published[0]["digest"]) if published else ""},
    )


def _relative(context: StepContext, text: str) -> str:
    return str(context.inside(text).relative_to(context.workspace.resolve()))


def _digests(text: str, tags: list[str]) -> dict[str, str]:
    body = json.loads(text)
    data = body.get("data") if isinstance(body, Mapping) else None
    images = data.get("images") if isinstance(data, Mapping) else None
    rows = images if isinstance(images, list) else []
    found = {str(row["image"]).rpartition(":")[2]: str(row["digest"]) for row in rows}
    return {tag: found.get(tag, "") for tag in tags}


def _joined(pairs: Mapping[str, object]) -> str:
    return ",".join(f"{name}={value}" for name, value in pairs.items())
