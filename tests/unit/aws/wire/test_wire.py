"""Requests in AWS's protocols to parameters, and results and errors back."""

import json

import pytest

from sandbox.aws.wire import (
    AwsService,
    HeaderMap,
    RequestContext,
    WireRequest,
    signing_scope,
)
from sandbox.errors import AwsError
from sandbox.types import JsonObject

CONTEXT = RequestContext(account_id="000000000000", region="us-east-1", request_id="id")


def request(body: bytes, **headers: str) -> WireRequest:
    named = HeaderMap({name.replace("_", "-"): value for name, value in headers.items()})
    return WireRequest(method="POST", path="/", query_string="", headers=named, body=body)


def ecs(body: bytes, operation: str = "ListClusters") -> WireRequest:
    target = f"AmazonEC2ContainerServiceV20141113.{operation}"
    return request(body, x_amz_target=target, content_type="application/x-amz-json-1.1")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/ecs/aws4_request, X",
            ("AK", "us-east-1", "ecs"),
        ),
        ("AWS4-HMAC-SHA256 Credential=a+b/c/20260101/r/s3/aws4_request", ("c", "r", "s3")),
        ("Basic QVdTOng=", None),
        ("", None),
    ],
)
def test_signing_scope_is_read(header: str, found: tuple[str, str, str] | None) -> None:
    scope = signing_scope(request(b"", authorization=header))
    assert (scope and (scope.access_key_id, scope.region, scope.service)) == found


def test_parameters_arrive_in_aws_spelling_and_the_result_goes_back() -> None:
    seen: list[JsonObject] = []

    def handler(_context: RequestContext, params: JsonObject) -> JsonObject:
        seen.append(params)
        return {"clusterArns": ["a"], "nextToken": "n"}

    answer = AwsService("ecs", {"ListClusters": handler}).handle(CONTEXT, ecs(b'{"maxResults": 3}'))
    assert seen == [{"maxResults": 3}]
    assert json.loads(answer.body) == {"clusterArns": ["a"], "nextToken": "n"}
    assert answer.headers["x-amzn-RequestId"] == "id"


def test_error_keeps_code_message_and_status() -> None:
    def handler(_context: RequestContext, _params: JsonObject) -> JsonObject:
        raise AwsError("ClusterNotFoundException", "Cluster not found.", status=400)

    answer = AwsService("ecs", {"ListClusters": handler}).handle(CONTEXT, ecs(b"{}"))
    body = json.loads(answer.body)
    assert (answer.status, body["__type"], body["message"]) == (
        400,
        "ClusterNotFoundException",
        "Cluster not found.",
    )


def test_request_that_does_not_fit_its_shape_is_refused_with_the_services_code() -> None:
    service = AwsService(
        "ecs",
        {"DeleteCluster": lambda _c, _p: {}},
        invalid_parameter_code="InvalidParameterException",
    )
    body = json.loads(service.handle(CONTEXT, ecs(b"{}", "DeleteCluster")).body)
    assert body["__type"] == "InvalidParameterException"
    assert "cluster" in body["message"]


def test_unknown_operation_is_an_error_answer() -> None:
    answer = AwsService("ecs", {}).handle(CONTEXT, ecs(b"{}", "Bogus"))
    assert answer.status == 400
    assert "Bogus" in answer.body.decode()


def test_operation_that_the_service_lacks_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="Bogus"):
        AwsService("ecs", {"Bogus": lambda _c, _p: {}})


def test_query_protocol_reads_lists_from_the_form() -> None:
    seen: list[JsonObject] = []

    def handler(_context: RequestContext, params: JsonObject) -> JsonObject:
        seen.append(params)
        return {"LoadBalancers": []}

    form = b"Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1=a&Names.member.2=b"
    wire = request(form, content_type="application/x-www-form-urlencoded; charset=utf-8")
    answer = AwsService("elbv2", {"DescribeLoadBalancers": handler}).handle(CONTEXT, wire)
    assert seen[0]["Names"] == ["a", "b"]
    assert b"DescribeLoadBalancersResult" in answer.body
