"""ECR operations on lifecycle policies and their previews; the rules are in `lifecycle.py`."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.ecr import faults
from sandbox.aws.ecr.catalog import Catalog
from sandbox.aws.ecr.lifecycle import LifecyclePolicy
from sandbox.aws.ecr.parameters import page, text
from sandbox.aws.ecr.records import Repository
from sandbox.aws.ecr.repository_api import RepositoryFinder
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError
from sandbox.types import JsonObject


class LifecycleApi:
    """Handlers of the lifecycle operations."""

    def __init__(self, catalog: Catalog, find: RepositoryFinder) -> None:
        self._catalog = catalog
        self._find = find

    @property
    def operations(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "PutLifecyclePolicy": self.put_lifecycle,
            "GetLifecyclePolicy": self.get_lifecycle,
            "DeleteLifecyclePolicy": self.delete_lifecycle,
            "StartLifecyclePolicyPreview": self.start_preview,
            "GetLifecyclePolicyPreview": self.preview,
        }

    def put_lifecycle(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutLifecyclePolicy; what is due expires at once (on AWS within 24 hours)."""
        document = text(params, "lifecyclePolicyText")
        LifecyclePolicy.parse(document)
        with self._catalog.store.transaction():
            changed = self._set(self._find(context, params), document)
            self._catalog.apply_lifecycle(changed)
        self._catalog.collect_garbage()
        return {**self._named(changed), "lifecyclePolicyText": document}

    def get_lifecycle(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetLifecyclePolicy."""
        repository = self._find(context, params)
        if not repository.lifecycle_text:
            raise faults.policy_not_found("Lifecycle", repository.name, self._catalog.account_id)
        answer = {
            **self._named(repository),
            "lifecyclePolicyText": repository.lifecycle_text,
        }
        if repository.lifecycle_evaluated_at:
            answer["lastEvaluatedAt"] = repository.lifecycle_evaluated_at
        return answer

    def delete_lifecycle(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DeleteLifecyclePolicy."""
        answer = self.get_lifecycle(context, params)
        self._set(self._find(context, params), "")
        return answer

    def start_preview(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """StartLifecyclePolicyPreview; the results are worked out when they are read."""
        with self._catalog.store.transaction():
            repository = self._find(context, params)
            document = text(params, "lifecyclePolicyText", repository.lifecycle_text)
            if not document:
                raise self._no_policy(repository)
            LifecyclePolicy.parse(document)
            changed = replace(repository, preview_text=document)
            self._catalog.repositories.put(changed.key, changed)
        return {
            **self._named(repository),
            "lifecyclePolicyText": document,
            "status": "IN_PROGRESS",
        }

    def preview(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetLifecyclePolicyPreview."""
        repository = self._find(context, params)
        if not repository.preview_text:
            raise AwsError(
                "LifecyclePolicyPreviewNotFoundException",
                "Lifecycle policy preview does not exist for the repository with name "
                f"'{repository.name}' in the registry with id '{self._catalog.account_id}'",
            )
        expiries = self._catalog.due(repository, repository.preview_text)
        chosen, more = page(expiries, params, key=lambda expiry: expiry.digest)
        results: list[JsonObject] = []
        for expiry in chosen:
            image = self._catalog.image(repository, digest=expiry.digest)
            results.append(
                {
                    "imageTags": list(image.tags),
                    "imageDigest": image.digest,
                    "imagePushedAt": image.pushed_at,
                    "action": {"type": "EXPIRE"},
                    "appliedRulePriority": expiry.rule_priority,
                }
            )
        return {
            **self._named(repository),
            "lifecyclePolicyText": repository.preview_text,
            "status": "COMPLETE",
            "previewResults": results,
            "summary": {"expiringImageTotalCount": len(expiries)},
            **more,
        }

    def _set(self, repository: Repository, document: str) -> Repository:
        changed = replace(repository, lifecycle_text=document, lifecycle_evaluated_at=None)
        self._catalog.repositories.put(changed.key, changed)
        return changed

    def _no_policy(self, repository: Repository) -> AwsError:
        return faults.policy_not_found("Lifecycle", repository.name, self._catalog.account_id)

    def _named(self, repository: Repository) -> dict[str, object]:
        return {"registryId": self._catalog.account_id, "repositoryName": repository.name}
