"""Which image a tag expression means."""

from datetime import UTC, datetime

import pytest

from fake_harness.delegate.steps.ecr_artifact import newest

IMAGES = [
    {
        "imageDigest": "a",
        "imageTags": ["v1", "old"],
        "imagePushedAt": datetime(2026, 1, 1, tzinfo=UTC),
    },
    {"imageDigest": "b", "imageTags": ["v2"], "imagePushedAt": datetime(2026, 1, 3, tzinfo=UTC)},
    {"imageDigest": "c", "imageTags": ["v10"], "imagePushedAt": datetime(2026, 1, 2, tzinfo=UTC)},
    {"imageDigest": "d", "imagePushedAt": datetime(2026, 1, 4, tzinfo=UTC)},
]


@pytest.mark.parametrize(
    ("pattern", "tag"), [("v.*", "v2"), ("old", "old"), ("v1", "v1"), ("x.*", None), ("v", None)]
)
def test_the_newest_whole_match_is_taken(pattern: str, tag: str | None) -> None:
    found = newest(IMAGES, pattern)
    assert (found[0] if found else None) == tag
