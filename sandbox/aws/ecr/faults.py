"""ECR's errors in AWS's own wording.

Source: ECR API Reference, and moto 5.2 (`moto/ecr/exceptions.py`), which observed them.
"""

from sandbox.errors import AwsError


def repository_not_found(name: str, account_id: str) -> AwsError:
    """There is no such repository."""
    return AwsError(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{account_id}'",
    )


def repository_exists(name: str, account_id: str) -> AwsError:
    """The name is taken in this region."""
    return AwsError(
        "RepositoryAlreadyExistsException",
        f"The repository with name '{name}' already exists in the registry with id '{account_id}'",
    )


def repository_not_empty(name: str, account_id: str) -> AwsError:
    """Images keep the repository from being deleted."""
    return AwsError(
        "RepositoryNotEmptyException",
        f"The repository with name '{name}' in registry with id '{account_id}' "
        "cannot be deleted because it still contains images",
    )


def image_not_found(name: str, account_id: str, *, digest: str = "", tag: str = "") -> AwsError:
    """No image of the repository has this digest or tag."""
    return AwsError(
        "ImageNotFoundException",
        f"The image with imageId {image_id_text(digest, tag)} does not exist within the "
        f"repository with name '{name}' in the registry with id '{account_id}'",
    )


def scan_not_found(name: str, account_id: str, *, digest: str, tag: str) -> AwsError:
    """The image was never scanned."""
    return AwsError(
        "ScanNotFoundException",
        f"Image scan does not exist for the image with '{image_id_text(digest, tag)}' in the "
        f"repository with name '{name}' in the registry with id '{account_id}'",
    )


def policy_not_found(kind: str, name: str, account_id: str) -> AwsError:
    """The repository has no policy of this `kind` (`Lifecycle` or `Repository`)."""
    return AwsError(
        f"{kind}PolicyNotFoundException",
        f"{kind} policy does not exist for the repository with name '{name}' "
        f"in the registry with id '{account_id}'",
    )


def image_exists(name: str, account_id: str, *, digest: str, tag: str) -> AwsError:
    """PutImage would change nothing."""
    tagged = f" and tag '{tag}'" if tag else ""
    return AwsError(
        "ImageAlreadyExistsException",
        f"Image with digest '{digest}'{tagged} already exists in the repository "
        f"with name '{name}' in registry with id '{account_id}'",
    )


def tag_is_immutable(name: str, tag: str) -> AwsError:
    """The tag names another image already, and the repository forbids moving it."""
    return AwsError(
        "ImageTagAlreadyExistsException",
        f"The image tag '{tag}' already exists in the '{name}' repository "
        "and cannot be overwritten because the tag is immutable.",
    )


def invalid_parameter(name: str, reason: str) -> AwsError:
    """A parameter has a right shape and a wrong value."""
    return AwsError(
        "InvalidParameterException",
        f"Invalid parameter at '{name}' failed to satisfy constraint: '{reason}'",
    )


def image_id_text(digest: str, tag: str) -> str:
    """Spell an image id as AWS's messages do."""
    return f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"
