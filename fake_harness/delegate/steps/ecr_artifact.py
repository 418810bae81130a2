"""`EcrArtifact`: resolves a service's primary ECR artifact before its deployment steps.

Not a step of Harness's YAML: the server asks a delegate for it, as Harness does.
Source: harness-core EcrArtifactDelegateRequest; image = repository URI + tag. Unverified: of
several tags that match `tagRegex`, the one that was pushed last is taken.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import boto3

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs.aws import aws_failures
from fake_harness.delegate.results import JsonObject, StepFailedError, StepResult


def ecr_artifact(context: StepContext) -> StepResult:
    """Look the image up; a tag that does not exist fails with its name."""
    region, path = context.text("region"), context.text("imagePath")
    registry = context.text("registryId", "")
    common: dict[str, Any] = {"registryId": registry} if registry else {}
    client = boto3.client("ecr", region_name=region)
    with aws_failures():
        try:
            found = client.describe_repositories(repositoryNames=[path], **common)
            tag, image = _image(context, client, {"repositoryName": path, **common})
        except (
            client.exceptions.RepositoryNotFoundException,
            client.exceptions.ImageNotFoundException,
        ) as error:
            wanted = context.text("tag", "") or context.text("tagRegex", "")
            message = f"Could not fetch artifact {path}:{wanted} in {region}: {error}"
            raise StepFailedError(message, "ARTIFACT") from error
    repository, digest = found["repositories"][0], str(image["imageDigest"])
    wanted = context.text("digest", "")
    if wanted and wanted != digest:
        message = f"Artifact {path}:{tag} has digest {digest}, not {wanted}."
        raise StepFailedError(message, "ARTIFACT")
    return StepResult(
        outputs={
            "image": f"{repository['repositoryUri']}:{tag}",
            "tag": tag,
            "digest": digest,
            "registryId": repository["registryId"],
        }
    )


def newest(images: Iterable[Mapping[str, Any]], pattern: str) -> tuple[str, JsonObject] | None:
    """Return the tag that matches and was pushed last, with its image."""
    wanted = re.compile(pattern)
    matching = [
        (image["imagePushedAt"], tag, image)
        for image in images
        for tag in image.get("imageTags", ())
        if wanted.fullmatch(tag)
    ]
    best = max(matching, key=lambda row: row[:2], default=None)
    return None if best is None else (best[1], best[2])


def _image(context: StepContext, client: Any, where: Mapping[str, Any]) -> tuple[str, JsonObject]:
    tag, pattern = context.text("tag", ""), context.text("tagRegex", "")
    if tag:
        answer = client.describe_images(**where, imageIds=[{"imageTag": tag}])
        return tag, answer["imageDetails"][0]
    if not pattern:
        raise StepFailedError("The artifact has neither tag nor tagRegex.", "ARTIFACT")
    pages = client.get_paginator("describe_images").paginate(
        **where, filter={"tagStatus": "TAGGED"}
    )
    found = newest((image for page in pages for image in page["imageDetails"]), pattern)
    if found is None:
        message = f"No tag of {where['repositoryName']} matches tagRegex [{pattern}]."
        raise StepFailedError(message, "ARTIFACT")
    return found
