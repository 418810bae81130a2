"""AWS's own host names say what an endpoint's path says otherwise."""

import pytest

from sandbox.aws.ecr.references import client_registry
from sandbox.aws.names import host_of, is_aws_name, path_style
from sandbox.aws.wire import HeaderMap, WireRequest


def request(host: str, target: str = "/a%20key?versionId=1") -> WireRequest:
    path, _, query = target.partition("?")
    return WireRequest(
        method="GET",
        path=path.replace("%20", " "),
        query_string=query,
        headers=HeaderMap({"host": host}),
        body=b"",
        raw_uri=target,
    )


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("state.s3.us-east-1.amazonaws.com", "state"),
        ("state.s3.us-east-1.amazonaws.com:443", "state"),
        ("state.s3.amazonaws.com", "state"),
        ("state.s3-eu-west-1.amazonaws.com", "state"),
        ("state.s3.dualstack.eu-west-1.amazonaws.com", "state"),
        ("logs.example.com.s3.us-east-1.amazonaws.com", "logs.example.com"),
    ],
)
def test_bucket_of_the_host_moves_into_the_path(host: str, bucket: str) -> None:
    moved = path_style(request(host))
    assert moved.path == f"/{bucket}/a key"
    assert moved.raw_uri == f"/{bucket}/a%20key?versionId=1"
    assert host_of(moved) == host.partition(":")[0].removeprefix(f"{bucket}.")
    assert path_style(moved) == moved


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:4566",
        "localhost",
        "s3.us-east-1.amazonaws.com",
        "s3.amazonaws.com",
        "123456789012.s3-control.us-east-1.amazonaws.com",
        "ecs.us-east-1.amazonaws.com",
        "bucket.s3.example.com",
        "000000000000.localhost.localstack.cloud:4566",
        "",
    ],
)
def test_every_other_request_stays_as_it_is(host: str) -> None:
    asked = request(host)
    assert path_style(asked) is asked


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("state.s3.localhost.localstack.cloud:4566", "/state/a key"),
        ("state.s3.eu-west-1.localhost.localstack.cloud", "/state/a key"),
        ("s3.localhost.localstack.cloud:4566", "/a key"),
    ],
)
def test_localstacks_name_of_s3_becomes_one_that_is_no_bucket(host: str, path: str) -> None:
    moved = path_style(request(host))
    assert (moved.path, moved.headers["Host"]) == (path, "localhost")
    assert moved.raw_uri == path.replace(" ", "%20") + "?versionId=1"


def test_registry_is_answered_as_the_client_reaches_it() -> None:
    real = client_registry(
        "api.ecr.eu-west-1.amazonaws.com", "1" * 12, "eu-west-1", public_host="127.0.0.1:4566"
    )
    assert real == "111111111111.dkr.ecr.eu-west-1.amazonaws.com"
    here = client_registry("127.0.0.1", "1" * 12, "eu-west-1", public_host="127.0.0.1:4566")
    assert here == f"127.0.0.1:4566/{real}"


@pytest.mark.parametrize(
    ("host", "real"), [("iam.amazonaws.com", True), ("amazonaws.com.example.com", False)]
)
def test_only_aws_names_are_taken_for_them(host: str, real: bool) -> None:
    assert is_aws_name(host) is real
