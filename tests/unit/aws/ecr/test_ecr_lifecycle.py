import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.aws.ecr.lifecycle import Candidate, LifecyclePolicy, expiries
from sandbox.errors import AwsError

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def rule(priority: int, status: str, count: int, *, days: bool = False, **tags: object) -> object:
    selection: dict[str, object] = {"tagStatus": status, "countNumber": count, **tags}
    if days:
        selection |= {"countType": "sinceImagePushed", "countUnit": "days"}
    else:
        selection |= {"countType": "imageCountMoreThan"}
    return {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}


def image(name: str, days_old: float, *tags: str) -> Candidate:
    return Candidate(digest=name, tags=tags, pushed_at=NOW - timedelta(days=days_old))


def policy(*rules: object) -> LifecyclePolicy:
    return LifecyclePolicy.parse(json.dumps({"rules": rules}))


IMAGES = (
    image("old", 30, "prod-1"),
    image("mid", 10, "dev-1", "prod-2"),
    image("new", 1, "dev-2"),
    image("bare", 5),
)


@pytest.mark.parametrize(
    ("rules", "expired"),
    [
        ([rule(1, "any", 2)], {"old": 1, "mid": 1}),
        ([rule(1, "any", 9)], {}),
        ([rule(1, "untagged", 3, days=True)], {"bare": 1}),
        ([rule(1, "untagged", 7, days=True)], {}),
        ([rule(1, "tagged", 1, tagPrefixList=["prod-"])], {"old": 1}),
        ([rule(1, "tagged", 5, days=True, tagPrefixList=["dev-", "prod-"])], {"mid": 1}),
        ([rule(1, "tagged", 5, days=True, tagPatternList=["*-1"])], {"old": 1, "mid": 1}),
        ([rule(2, "any", 1), rule(1, "tagged", 9, tagPrefixList=["prod-"])], {"bare": 2}),
    ],
    ids=[
        "count-keeps-the-newest",
        "count-not-reached",
        "untagged-by-age",
        "untagged-young",
        "one-prefix",
        "every-prefix-must-match",
        "pattern",
        "first-rule-shields-from-later-rules",
    ],
)
def test_expired_images_and_their_rules(rules: list[object], expired: dict[str, int]) -> None:
    found = expiries(policy(*rules), IMAGES, NOW)
    assert {expiry.digest: expiry.rule_priority for expiry in found} == expired


def test_image_marked_by_an_earlier_rule_still_counts_for_a_later_one() -> None:
    marked = expiries(policy(rule(1, "untagged", 3, days=True), rule(2, "any", 3)), IMAGES, NOW)
    assert {e.digest: e.rule_priority for e in marked} == {"bare": 1, "old": 2}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("[]", "policy"),
        ('{"rules": []}', "rules"),
        (json.dumps({"rules": [rule(1, "tagged", 1)]}), "tagPrefixList"),
        (json.dumps({"rules": [rule(1, "any", 0)]}), "countNumber"),
        (json.dumps({"rules": [rule(1, "any", 1, extra=1)]}), "extra"),
        (json.dumps({"rules": [rule(1, "untagged", 1), rule(1, "any", 1)]}), "unique"),
        (json.dumps({"rules": [rule(1, "any", 1), rule(2, "untagged", 1)]}), "highest"),
    ],
    ids=["list", "empty", "no-prefix", "zero", "unknown-key", "same-priority", "any-not-last"],
)
def test_bad_policy_is_refused_with_its_key(document: str, words: str) -> None:
    with pytest.raises(AwsError) as caught:
        LifecyclePolicy.parse(document)
    assert caught.value.code == "InvalidParameterException"
    assert words in caught.value.message
