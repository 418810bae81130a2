import pytest

from sandbox.aws.ecr.references import parse_image_reference, parse_repository_path

HOST = "000000000000.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("reference", "account", "region", "name", "tag", "digest"),
    [
        (f"{HOST}/a/b:v1", "0" * 12, "eu-west-1", "a/b", "v1", ""),
        (f"{HOST}/a", "0" * 12, "eu-west-1", "a", "latest", ""),
        (f"{HOST}/a@{DIGEST}", "0" * 12, "eu-west-1", "a", "", DIGEST),
        (f"{HOST}/a:v1@{DIGEST}", "0" * 12, "eu-west-1", "a", "v1", DIGEST),
        (f"127.0.0.1:4566/{HOST}/a/b:v1", "0" * 12, "eu-west-1", "a/b", "v1", ""),
        ("127.0.0.1:4566/a/b", "", "us-east-1", "a/b", "latest", ""),
    ],
)
def test_reference_is_read(
    reference: str, account: str, region: str, name: str, tag: str, digest: str
) -> None:
    parsed = parse_image_reference(
        reference, public_host="127.0.0.1:4566", default_region="us-east-1"
    )
    assert parsed is not None
    where = parsed.repository
    assert (where.account_id, where.region, where.name) == (account, region, name)
    assert (parsed.tag, parsed.digest) == (tag, digest)


@pytest.mark.parametrize(
    "reference", ["nginx", "python:3.11-slim", "docker.io/library/nginx:1", f"{HOST}/a@sha256:x"]
)
def test_other_registries_are_not_ours(reference: str) -> None:
    assert (
        parse_image_reference(reference, public_host="127.0.0.1:4566", default_region="us-east-1")
        is None
    )


def test_request_host_names_the_region_too() -> None:
    path = parse_repository_path("a/b", host=f"{HOST}:443", default_region="us-east-1")
    assert (path.region, path.name) == ("eu-west-1", "a/b")
