"""Tag operations that moto lacks: Application Auto Scaling and Budgets.

The tags live on the backend, so they are kept and lost with what they describe.
"""

import json
from collections.abc import Mapping, Sequence
from typing import cast

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.budgets.responses import BudgetsResponse
from moto.core.base_backend import BaseBackend
from moto.core.exceptions import JsonRESTError

Tags = dict[str, str]


def _tag_store(backend: BaseBackend) -> dict[str, Tags]:
    store = backend.__dict__.setdefault("sandbox_tags", {})
    return cast("dict[str, Tags]", store)


class TaggedAutoScalingResponse(ApplicationAutoScalingResponse):
    """Application Auto Scaling with tags on scalable targets.

    Source: Application Auto Scaling API Reference, TagResource.
    """

    def register_scalable_target(self) -> str:
        """Register the target and keep the tags of the request."""
        answer = super().register_scalable_target()
        arn = cast("str", json.loads(answer)["ScalableTargetARN"])
        self._tags(arn).update(cast("Tags", self._get_param("Tags") or {}))
        return answer

    def tag_resource(self) -> str:
        """Add or replace tags."""
        self._existing().update(cast("Tags", self._get_param("Tags") or {}))
        return "{}"

    def untag_resource(self) -> str:
        """Remove tags by key."""
        tags = self._existing()
        for key in cast("Sequence[str]", self._get_param("TagKeys") or ()):
            tags.pop(key, None)
        return "{}"

    def list_tags_for_resource(self) -> str:
        """Return the tags of one scalable target."""
        return json.dumps({"Tags": self._existing()})

    def _tags(self, arn: str) -> Tags:
        return _tag_store(self.applicationautoscaling_backend).setdefault(arn, {})

    def _existing(self) -> Tags:
        arn = cast("str", self._get_param("ResourceARN"))
        targets = self.applicationautoscaling_backend.targets
        known = {t.arn for by_id in targets.values() for t in by_id.values()}
        if arn not in known:
            message = f"No scalable target found for resource ARN: {arn}"
            raise JsonRESTError("ResourceNotFoundException", message)
        return self._tags(arn)


class TaggedBudgetsResponse(BudgetsResponse):
    """Budgets with tags. Source: AWS Budgets API Reference, TagResource."""

    def create_budget(self) -> str:
        """Create the budget and keep the tags of the request."""
        answer = super().create_budget()
        account = self._get_param("AccountId")
        name = self._get_param("Budget")["BudgetName"]
        arn = f"arn:{self.partition}:budgets::{account}:budget/{name}"
        given = cast("Sequence[Mapping[str, str]]", self._get_param("ResourceTags") or ())
        _tag_store(self.backend)[arn] = {t["Key"]: t["Value"] for t in given}
        return answer

    def tag_resource(self) -> str:
        """Add or replace tags."""
        given = cast("Sequence[Mapping[str, str]]", self._get_param("ResourceTags") or ())
        self._existing().update({t["Key"]: t["Value"] for t in given})
        return "{}"

    def untag_resource(self) -> str:
        """Remove tags by key."""
        tags = self._existing()
        for key in cast("Sequence[str]", self._get_param("ResourceTagKeys") or ()):
            tags.pop(key, None)
        return "{}"

    def list_tags_for_resource(self) -> str:
        """Return the tags of one budget."""
        tags = self._existing()
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        return json.dumps({"ResourceTags": listed})

    def _existing(self) -> Tags:
        arn = cast("str", self._get_param("ResourceARN"))
        account, _, name = arn.partition("::")[2].partition(":budget/")
        self.backend.describe_budget(account, name)  # raises NotFoundException
        return _tag_store(self.backend).setdefault(arn, {})
