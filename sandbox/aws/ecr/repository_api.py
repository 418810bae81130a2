"""ECR operations on repositories, their policies and tags; images are in `image_api.py`."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

from sandbox.aws.ecr import faults
from sandbox.aws.ecr.catalog import Catalog
from sandbox.aws.ecr.parameters import child, objects, page, text, texts
from sandbox.aws.ecr.records import Repository, repository_key
from sandbox.aws.ecr.references import NAME, client_registry
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError
from sandbox.types import JsonObject

RepositoryFinder = Callable[[RequestContext, JsonObject], Repository]


class RepositoryApi:
    """Handlers of the repository operations."""

    def __init__(self, catalog: Catalog, *, public_host: str) -> None:
        self._catalog = catalog
        self._public_host = public_host

    @property
    def operations(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "CreateRepository": self.create,
            "DescribeRepositories": self.describe,
            "DeleteRepository": self.delete,
            "PutImageTagMutability": self.put_tag_mutability,
            "PutImageScanningConfiguration": self.put_scanning,
            "BatchGetRepositoryScanningConfiguration": self.scanning,
            "SetRepositoryPolicy": self.set_policy,
            "GetRepositoryPolicy": self.get_policy,
            "DeleteRepositoryPolicy": self.delete_policy,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
        }

    def find(self, context: RequestContext, params: JsonObject) -> Repository:
        """Return the repository that `registryId` and `repositoryName` name.

        Raises:
            AwsError: RepositoryNotFoundException, also for another account's registry.

        """
        name = text(params, "repositoryName")
        registry_id = text(params, "registryId", self._catalog.account_id)
        if registry_id != self._catalog.account_id:
            raise faults.repository_not_found(name, registry_id)
        return self._catalog.repository(context.region, name)

    def create(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """CreateRepository."""
        name = text(params, "repositoryName")
        if not 2 <= len(name) <= 256 or not NAME.fullmatch(name):
            raise faults.invalid_parameter(
                "repositoryName", f"must satisfy regular expression '{NAME.pattern}'"
            )
        with self._catalog.store.transaction():
            if self._catalog.repositories.get(repository_key(context.region, name)):
                raise faults.repository_exists(name, self._catalog.account_id)
            repository = self._new(context, name, params)
            self._catalog.repositories.put(repository.key, repository)
        return {"repository": self._wire(context, repository)}

    def describe(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DescribeRepositories."""
        names = texts(params, "repositoryNames")
        if names:
            found = [self.find(context, {**params, "repositoryName": name}) for name in names]
            return {"repositories": [self._wire(context, repository) for repository in found]}
        here = [r for r in self._catalog.repositories.values() if r.region == context.region]
        chosen, more = page(here, params, key=lambda repository: repository.name)
        return {"repositories": [self._wire(context, repository) for repository in chosen], **more}

    def delete(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DeleteRepository; `force` takes its images along."""
        with self._catalog.store.transaction():
            repository = self.find(context, params)
            if self._catalog.images(repository) and not params.get("force"):
                raise faults.repository_not_empty(repository.name, self._catalog.account_id)
            self._catalog.delete_repository(repository)
        self._catalog.collect_garbage()
        return {"repository": self._wire(context, repository)}

    def put_tag_mutability(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutImageTagMutability."""
        mutability, filters = _mutability(params)
        changed = self._change(
            context, params, tag_mutability=mutability, exclusion_filters=filters
        )
        return {
            **self._named(changed),
            "imageTagMutability": mutability,
            "imageTagMutabilityExclusionFilters": _filters(changed),
        }

    def put_scanning(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutImageScanningConfiguration. The setting is kept; no image is ever scanned."""
        wanted = bool(child(params, "imageScanningConfiguration").get("scanOnPush"))
        changed = self._change(context, params, scan_on_push=wanted)
        return {**self._named(changed), "imageScanningConfiguration": {"scanOnPush": wanted}}

    def scanning(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """BatchGetRepositoryScanningConfiguration."""
        found: list[JsonObject] = []
        failures: list[JsonObject] = []
        for name in texts(params, "repositoryNames"):
            repository = self._catalog.repositories.get(repository_key(context.region, name))
            if repository is None:
                failures.append(
                    {
                        "repositoryName": name,
                        "failureCode": "REPOSITORY_NOT_FOUND",
                        "failureReason": str(
                            faults.repository_not_found(name, self._catalog.account_id)
                        ),
                    }
                )
                continue
            found.append(
                {
                    "repositoryArn": self._arn(repository),
                    "repositoryName": name,
                    "scanOnPush": repository.scan_on_push,
                    "scanFrequency": "SCAN_ON_PUSH" if repository.scan_on_push else "MANUAL",
                    "appliedScanFilters": [],
                }
            )
        return {"scanningConfigurations": found, "failures": failures}

    def set_policy(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """SetRepositoryPolicy. The policy is kept; access is not decided by it."""
        document = text(params, "policyText")
        require_policy_document("policyText", document)
        return self._policy(self._change(context, params, policy_text=document))

    def get_policy(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetRepositoryPolicy."""
        repository = self.find(context, params)
        if not repository.policy_text:
            raise faults.policy_not_found("Repository", repository.name, self._catalog.account_id)
        return self._policy(repository)

    def delete_policy(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DeleteRepositoryPolicy."""
        answer = self.get_policy(context, params)
        self._change(context, params, policy_text="")
        return answer

    def tag(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """TagResource."""
        with self._catalog.store.transaction():
            repository = self._by_arn(context, params)
            tags = {**repository.tags, **_tags(params)}
            self._catalog.repositories.put(repository.key, replace(repository, tags=tags))
        return {}

    def untag(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """UntagResource."""
        gone = set(texts(params, "tagKeys"))
        with self._catalog.store.transaction():
            repository = self._by_arn(context, params)
            tags = {k: v for k, v in repository.tags.items() if k not in gone}
            self._catalog.repositories.put(repository.key, replace(repository, tags=tags))
        return {}

    def list_tags(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """ListTagsForResource."""
        repository = self._by_arn(context, params)
        return {"tags": [{"Key": k, "Value": v} for k, v in repository.tags.items()]}

    def _new(self, context: RequestContext, name: str, params: JsonObject) -> Repository:
        mutability, filters = _mutability(params)
        encryption = child(params, "encryptionConfiguration")
        encryption_type = text(encryption, "encryptionType", "AES256")
        kms_key = text(encryption, "kmsKey")
        if encryption_type != "AES256" and not kms_key:
            kms_key = self._default_kms_key(context.region)
        scanning = child(params, "imageScanningConfiguration")
        return Repository(
            region=context.region,
            name=name,
            created_at=self._catalog.now(),
            tag_mutability=mutability,
            exclusion_filters=filters,
            scan_on_push=bool(scanning.get("scanOnPush")),
            encryption_type=encryption_type,
            kms_key=kms_key,
            tags=_tags(params),
        )

    def _default_kms_key(self, region: str) -> str:
        """Return the ARN of the AWS managed key `aws/ecr`: one, always the same, a region."""
        account = self._catalog.account_id
        key_id = uuid.uuid5(uuid.NAMESPACE_URL, f"aws/ecr/{account}/{region}")
        return f"arn:aws:kms:{region}:{account}:key/{key_id}"

    def _change(self, context: RequestContext, params: JsonObject, **changes: object) -> Repository:
        with self._catalog.store.transaction():
            changed = replace(self.find(context, params), **changes)  # type: ignore[arg-type]
            self._catalog.repositories.put(changed.key, changed)
        return changed

    def _by_arn(self, context: RequestContext, params: JsonObject) -> Repository:
        arn = text(params, "resourceArn")
        prefix = f"arn:aws:ecr:{context.region}:{self._catalog.account_id}:repository/"
        if not arn.startswith(prefix):
            raise faults.invalid_parameter("resourceArn", f"must start with {prefix}")
        return self._catalog.repository(context.region, arn.removeprefix(prefix))

    def _arn(self, repository: Repository) -> str:
        account = self._catalog.account_id
        return f"arn:aws:ecr:{repository.region}:{account}:repository/{repository.name}"

    def _named(self, repository: Repository) -> dict[str, object]:
        return {"registryId": self._catalog.account_id, "repositoryName": repository.name}

    def _policy(self, repository: Repository) -> JsonObject:
        return {**self._named(repository), "policyText": repository.policy_text}

    def _wire(self, context: RequestContext, repository: Repository) -> JsonObject:
        registry = client_registry(
            context.host,
            self._catalog.account_id,
            repository.region,
            public_host=self._public_host,
        )
        encryption = {"encryptionType": repository.encryption_type}
        if repository.kms_key:
            encryption["kmsKey"] = repository.kms_key
        wire = {
            **self._named(repository),
            "repositoryArn": self._arn(repository),
            "repositoryUri": f"{registry}/{repository.name}",
            "createdAt": repository.created_at,
            "imageTagMutability": repository.tag_mutability,
            "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
            "encryptionConfiguration": encryption,
        }
        if repository.exclusion_filters:
            wire["imageTagMutabilityExclusionFilters"] = _filters(repository)
        return wire


def require_policy_document(parameter: str, document: str) -> None:
    """Refuse a policy that is not a JSON object.

    Raises:
        AwsError: InvalidParameterException.

    """
    try:
        parsed = json.loads(document)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise AwsError(
            "InvalidParameterException",
            f"Invalid parameter at '{parameter}' failed to satisfy constraint: "
            "'Invalid repository policy provided'",
        )


def _mutability(params: JsonObject) -> tuple[str, tuple[str, ...]]:
    mutability = text(params, "imageTagMutability", "MUTABLE")
    filters = tuple(
        text(item, "filter") for item in objects(params, "imageTagMutabilityExclusionFilters")
    )
    if mutability.endswith("_WITH_EXCLUSION") != bool(filters):
        raise faults.invalid_parameter(
            "imageTagMutabilityExclusionFilters", "goes with a mutability WITH_EXCLUSION only"
        )
    return mutability, filters


def _filters(repository: Repository) -> list[JsonObject]:
    return [{"filterType": "WILDCARD", "filter": f} for f in repository.exclusion_filters]


def _tags(params: JsonObject) -> dict[str, str]:
    return {text(tag, "Key"): text(tag, "Value") for tag in objects(params, "tags")}
