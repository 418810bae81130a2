"""Requests of every protocol are understood as the calls that they are."""

import json
from urllib.parse import urlencode

import pytest

from sandbox.aws.trail.calls import operation_model, read_call
from sandbox.aws.wire import HeaderMap, WireRequest, WireResponse

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def request(
    method: str, path: str, query: str = "", body: bytes = b"", **headers: str
) -> WireRequest:
    named = HeaderMap({name.replace("_", "-"): value for name, value in headers.items()})
    return WireRequest(method=method, path=path, query_string=query, headers=named, body=body)


def answer(status: int = 200, body: bytes = b"") -> WireResponse:
    return WireResponse(status=status, headers={}, body=body)


@pytest.mark.parametrize(
    ("service", "sent", "operation"),
    [
        ("s3", request("GET", "/"), "ListBuckets"),
        ("s3", request("GET", "/b"), "ListObjects"),
        ("s3", request("GET", "/b/", "list-type=2&prefix=a"), "ListObjectsV2"),
        ("s3", request("GET", "/b", "policy"), "GetBucketPolicy"),
        ("s3", request("GET", "/b/a/k"), "GetObject"),
        ("s3", request("GET", "/b/a/k", "tagging"), "GetObjectTagging"),
        ("s3", request("PUT", "/b/a/k"), "PutObject"),
        ("s3", request("PUT", "/b/k", x_amz_copy_source="b/other"), "CopyObject"),
        ("s3", request("PUT", "/b/k", "partNumber=1&uploadId=u"), "UploadPart"),
        ("s3", request("POST", "/b/k", "uploads"), "CreateMultipartUpload"),
        ("s3", request("POST", "/b/", "delete"), "DeleteObjects"),
        ("s3", request("HEAD", "/b"), "HeadBucket"),
        ("route53", request("GET", "/2013-04-01/hostedzone/Z1"), "GetHostedZone"),
        (
            "route53",
            request("POST", "/2013-04-01/hostedzone/Z1/rrset/"),
            "ChangeResourceRecordSets",
        ),
        ("lambda", request("GET", "/2015-03-31/functions/f"), "GetFunction"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rest_request_is_known_by_path_query_and_headers(
    service: str, sent: WireRequest, operation: str
) -> None:
    model = operation_model(service, sent)
    assert model is not None
    assert model.name == operation


def test_parameters_come_from_path_headers_and_body() -> None:
    put = request("PUT", "/b/a/k", x_amz_tagging="x=y")
    expected = {"Bucket": "b", "Key": "a/k", "Tagging": "x=y"}
    assert expected.items() <= read_call("s3", put, answer()).parameters.items()
    form = urlencode({"Action": "CreateRole", "RoleName": "r"}).encode()
    call = read_call(
        "iam", request("POST", "/", body=form, Content_Type=FORM["Content-Type"]), answer()
    )
    assert (call.operation, call.parameters) == ("CreateRole", {"RoleName": "r"})


def test_service_of_several_protocols_is_read_in_the_one_that_was_sent() -> None:
    body = json.dumps({"AlarmName": "a"}).encode()
    sent = request(
        "POST", "/", body=body, X_Amz_Target="GraniteServiceVersion20100801.PutMetricAlarm"
    )
    assert read_call("monitoring", sent, answer()).parameters == {"AlarmName": "a"}
    cbor = b"\xa1\x69AlarmName\x61a"
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm"
    call = read_call("monitoring", request("POST", path, body=cbor), answer())
    assert (call.operation, call.parameters) == ("PutMetricAlarm", {"AlarmName": "a"})


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            b'{"__type":"a.b#ClusterNotFoundException","message":"gone"}',
            "ClusterNotFoundException",
            "gone",
        ),
        (b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>", "NoSuchKey", "none"),
        (b"", "404", ""),
    ],
    ids=["json", "xml", "no body"],
)
def test_error_of_an_answer_is_read(body: bytes, code: str, message: str) -> None:
    call = read_call("s3", request("GET", "/b/k"), answer(404, body))
    assert (call.error_code, call.error_message) == (code, message)


def test_garbage_is_a_call_without_parameters() -> None:
    sent = request(
        "POST", "/", body=b"\xff{", X_Amz_Target="AmazonEC2ContainerServiceV20141113.RunTask"
    )
    call = read_call("ecs", sent, answer(200, b"<<<"))
    assert (call.operation, call.parameters, call.result) == ("RunTask", {}, {})
    assert read_call("no-such-service", sent, answer()).operation == "RunTask"
