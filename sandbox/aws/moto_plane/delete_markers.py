"""S3 delete markers that can be deleted when no version is left beside them.

moto closes the body of each version that it drops, and a delete marker has none: emptying a
versioned bucket breaks, which is what `force_destroy` does.
"""

from moto.s3.models import FakeDeleteMarker


def install() -> None:
    """Give moto's delete markers the method."""
    FakeDeleteMarker.dispose = _nothing_to_close  # type: ignore[attr-defined]


def _nothing_to_close(_marker: FakeDeleteMarker) -> None:
    """Do nothing: there is no body."""
