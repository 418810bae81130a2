"""`EcrArtifact`: resolves a service's primary ECR artifact before its deployment steps.

Not a step of Harness's YAML: the server asks a delegate for it, as Harness does.
Source: harness-core EcrArtifactDelegateRequest; image = repository URI + tag.
"""

from collections.abc import Sequence

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import JsonObject, StepFailedError, StepResult


def ecr_artifact(context: StepContext) -> StepResult:
    """Look the image up; a tag that does not exist fails with its name."""
    region, path, tag = context.text("region"), context.text("imagePath"), context.text("tag")
    registry = context.text("registryId", "")
    client = boto3.client("ecr", region_name=region)
    common = {"registryId": registry} if registry else {}
    try:
        found = client.describe_repositories(repositoryNames=[path], **common)
        repository = found["repositories"][0]
        images = client.describe_images(repositoryName=path, imageIds=[{"imageTag": tag}], **common)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = f"Could not fetch artifact {path}:{tag} in {region}: {code}: {error}"
        raise StepFailedError(message, "ARTIFACT") from error
    except BotoCoreError as error:
        raise StepFailedError(f"ECR in {region}: {error}", "CONNECTIVITY") from error
    return StepResult(outputs=_outcome(repository, images["imageDetails"], tag))


def _outcome(repository: JsonObject, details: Sequence[JsonObject], tag: str) -> JsonObject:
    digest = str(details[0]["imageDigest"]) if details else ""
    return {
        "image": f"{repository['repositoryUri']}:{tag}",
        "tag": tag,
        "digest": digest,
        "registryId": repository["registryId"],
    }
