"""Lifecycle policies: their text, and which images they expire; pure, deletes nothing.

Source: ECR user guide, "Lifecycle policy properties" and "How lifecycle policies work".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox.aws.ecr import faults

_INVALID = "Lifecycle policy validation failure: "


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Selection(_Strict):
    """Which images a rule is about, and which of them are too many or too old."""

    tag_status: Literal["tagged", "untagged", "any"] = Field(alias="tagStatus")
    tag_prefixes: tuple[str, ...] = Field((), alias="tagPrefixList")
    tag_patterns: tuple[str, ...] = Field((), alias="tagPatternList")
    count_type: Literal["imageCountMoreThan", "sinceImagePushed"] = Field(alias="countType")
    count_unit: Literal["days"] | None = Field(None, alias="countUnit")
    count_number: int = Field(ge=1, alias="countNumber")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.tag_status == "tagged") != bool(self.tag_prefixes or self.tag_patterns):
            raise ValueError("tagPrefixList or tagPatternList go with tagStatus 'tagged' only")
        if self.tag_prefixes and self.tag_patterns:
            raise ValueError("tagPrefixList and tagPatternList exclude each other")
        if (self.count_type == "sinceImagePushed") != (self.count_unit is not None):
            raise ValueError("countUnit goes with countType 'sinceImagePushed' only")
        return self

    def concerns(self, tags: Sequence[str]) -> bool:
        """Tell whether the rule is about an image with these tags.

        With several prefixes or patterns each must match some tag.
        """
        if self.tag_status == "any":
            return True
        if self.tag_status == "untagged":
            return not tags
        by_prefix = all(any(t.startswith(p) for t in tags) for p in self.tag_prefixes)
        return by_prefix and all(any(fnmatchcase(t, p) for t in tags) for p in self.tag_patterns)


class Action(_Strict):
    """What happens to a selected image."""

    type: Literal["expire"]


class Rule(_Strict):
    """One rule; a lower `priority` goes first."""

    priority: int = Field(ge=1, alias="rulePriority")
    description: str = ""
    selection: Selection
    action: Action


class LifecyclePolicy(_Strict):
    """A whole policy."""

    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        priorities = [rule.priority for rule in self.rules]
        if len(set(priorities)) < len(priorities):
            raise ValueError("rulePriority must be unique")
        last = max(priorities)
        if any(r.selection.tag_status == "any" and r.priority != last for r in self.rules):
            raise ValueError("a rule with tagStatus 'any' must have the highest rulePriority")
        return self

    @classmethod
    def parse(cls, text: str) -> "LifecyclePolicy":
        """Read a policy's JSON text.

        Raises:
            AwsError: InvalidParameterException that lists everything that is wrong.

        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(str(step) for step in item['loc']) or 'policy'}: {item['msg']}"
                for item in error.errors()
            )
            raise faults.invalid_parameter("LifecyclePolicyText", _INVALID + reasons) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An image as far as a policy looks at it."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """An image that goes, and the rule by which it goes."""

    digest: str
    rule_priority: int


def expiries(
    policy: LifecyclePolicy, images: Sequence[Candidate], now: datetime
) -> tuple[Expiry, ...]:
    """Return the images that `policy` expires at `now`, in the order of its rules.

    An image that matches a rule's tags is out of reach of every later rule, whether that
    rule expires it or not; images marked by an earlier rule still count for a later one.
    """
    newest_first = sorted(images, key=lambda image: image.pushed_at, reverse=True)
    marked: list[Expiry] = []
    claimed: set[str] = set()
    for rule in sorted(policy.rules, key=lambda rule: rule.priority):
        matching = [image for image in newest_first if rule.selection.concerns(image.tags)]
        marked += [
            Expiry(digest=image.digest, rule_priority=rule.priority)
            for image in _surplus(rule.selection, matching, now)
            if image.digest not in claimed
        ]
        claimed.update(image.digest for image in matching)
    return tuple(marked)


def _surplus(
    selection: Selection, newest_first: Sequence[Candidate], now: datetime
) -> Sequence[Candidate]:
    if selection.count_type == "imageCountMoreThan":
        return newest_first[selection.count_number :]
    limit = now - timedelta(days=selection.count_number)
    return [image for image in newest_first if image.pushed_at < limit]
