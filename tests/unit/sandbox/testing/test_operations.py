import json

import pytest

from sandbox.aws.wire import HeaderMap, WireRequest
from sandbox.testing.operations import asked


def request(service: str, method: str, uri: str, body: bytes = b"", **headers: str) -> WireRequest:
    path, _, query = uri.partition("?")
    credential = f"Credential=KEY/20260101/eu-west-1/{service}/aws4_request"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WireRequest(
        method=method,
        path=path,
        query_string=query,
        headers=HeaderMap({"Authorization": f"AWS4-HMAC-SHA256 {credential}", **named}),
        body=body,
        raw_uri=uri,
    )


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (request("s3", "GET", "/"), "s3.ListBuckets"),
        (request("s3", "PUT", "/data"), "s3.CreateBucket"),
        (request("s3", "GET", "/data?list-type=2&prefix=a"), "s3.ListObjectsV2"),
        (request("s3", "GET", "/data/a/b?tagging"), "s3.GetObjectTagging"),
        (request("s3", "PUT", "/data/a", x_amz_copy_source="/data/b"), "s3.CopyObject"),
        (request("s3", "PUT", "/data/a?partNumber=1&uploadId=u"), "s3.UploadPart"),
        (request("s3", "GET", "/data/a?x-id=GetObject"), "s3.GetObject"),
        (request("s3", "POST", "/data?delete"), "s3.DeleteObjects"),
        (request("lambda", "GET", "/2015-03-31/functions/f"), "lambda.GetFunction"),
        (request("route53", "GET", "/2013-04-01/hostedzone"), "route53.ListHostedZones"),
        (
            request("ecs", "POST", "/", X_Amz_Target="AmazonEC2ContainerServiceV20141113.RunTask"),
            "ecs.RunTask",
        ),
        (
            request(
                "elasticloadbalancing",
                "POST",
                "/",
                b"Action=CreateRule&Version=2015-12-01",
                Content_Type="application/x-www-form-urlencoded",
            ),
            "elbv2.CreateRule",
        ),
        (request("s3", "PATCH", "/data"), "s3.PATCH /data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_is_named(given: WireRequest, name: str) -> None:
    found = asked(given, "us-east-1")
    assert found is not None
    assert f"{found.service}.{found.operation}" == name
    assert (found.region, found.access_key_id) == ("eu-west-1", "KEY")


def test_parameters_are_those_of_the_client() -> None:
    key = asked(request("s3", "PUT", "/data/a%20b/c?tagging&versionId=7"), "")
    assert key is not None
    assert key.parameters == {"Bucket": "data", "Key": "a b/c", "VersionId": "7"}
    body = json.dumps({"cluster": "c"}).encode()
    target = "AmazonEC2ContainerServiceV20141113.ListTasks"
    tasks = asked(request("ecs", "POST", "/", body, X_Amz_Target=target), "")
    assert tasks is not None
    assert tasks.parameters == {"cluster": "c"}


def test_what_nobody_signed_is_no_call() -> None:
    plain = WireRequest(
        method="GET", path="/x", query_string="", headers=HeaderMap(), body=b"", raw_uri="/x"
    )
    assert asked(plain, "us-east-1") is None
