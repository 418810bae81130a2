"""Operations that moto lacks: tags of Application Auto Scaling, tags and more of Budgets.

The tags live on the backend, so they are kept and lost with what they describe.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.budgets.models import Budget
from moto.budgets.responses import BudgetsResponse
from moto.core.base_backend import BaseBackend
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time

Tags = dict[str, str]

_NOTIFICATION_KEY = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
"""What tells one notification of a budget from another."""


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


class FullBudgetsResponse(BudgetsResponse):
    """Budgets with tags, updates and subscribers. Source: AWS Budgets API Reference."""

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

    def update_budget(self) -> str:
        """Replace a budget's definition; its notifications stay."""
        given = cast("dict[str, object]", self._get_param("NewBudget"))
        budget = self._budget(str(given["BudgetName"]))
        kept = {"TimePeriod": budget.budget["TimePeriod"]}
        budget.budget = kept | given | {"LastUpdatedTime": unix_time()}
        return "{}"

    def describe_subscribers_for_notification(self) -> str:
        """Return who is told of a notification."""
        return json.dumps({"Subscribers": self._notification("Notification").subscribers})

    def create_subscriber(self) -> str:
        """Add one subscriber."""
        notification = self._notification("Notification")
        notification.subscribers = [*notification.subscribers, self._get_param("Subscriber")]
        return "{}"

    def delete_subscriber(self) -> str:
        """Remove one subscriber."""
        self._replace_subscriber(self._get_param("Subscriber"), [])
        return "{}"

    def update_subscriber(self) -> str:
        """Replace one subscriber."""
        self._replace_subscriber(
            self._get_param("OldSubscriber"), [self._get_param("NewSubscriber")]
        )
        return "{}"

    def update_notification(self) -> str:
        """Replace what a notification watches for; its subscribers stay."""
        self._notification("OldNotification").details = self._get_param("NewNotification")
        return "{}"

    def _replace_subscriber(self, old: object, new: Sequence[object]) -> None:
        notification = self._notification("Notification")
        if old not in notification.subscribers:
            raise JsonRESTError("NotFoundException", "Unable to find the subscriber.")
        others = [one for one in notification.subscribers if one != old]
        notification.subscribers = [*others, *new]

    def _budget(self, name: str) -> Budget:
        account = self._get_param("AccountId")
        self.backend.describe_budget(account, name)  # raises NotFoundException
        return self.backend.budgets[account][name]

    def _notification(self, parameter: str) -> Any:
        wanted = self._get_param(parameter)
        for notification in self._budget(self._get_param("BudgetName")).notifications:
            if all(notification.details.get(key) == wanted.get(key) for key in _NOTIFICATION_KEY):
                return notification
        raise JsonRESTError("NotFoundException", "Unable to find the notification.")
