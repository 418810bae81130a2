"""Which part answers a request, with parts that only say their names."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from sandbox.aws.gateway import Gateway
from sandbox.aws.wire import AwsService, RequestContext, WireRequest, WireResponse
from sandbox.errors import AwsError
from sandbox.types import JsonObject


class FakeMoto:
    """Answers with what it was asked for; breaks when asked for `broken`."""

    def __init__(self) -> None:
        self.seen: list[tuple[RequestContext, WireRequest]] = []

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        self.seen.append((context, request))
        if request.path == "/broken":
            raise RuntimeError("it broke")
        if request.path == "/refused":
            raise AwsError("NotImplemented", "no <such> thing", status=501)
        return WireResponse(status=200, headers={"Content-Type": "text/plain"}, body=b"moto")

    def services(self) -> list[str]:
        return ["logs", "s3"]


def list_clusters(context: RequestContext, params: JsonObject) -> JsonObject:
    return {"clusterArns": [f"{context.region}/{context.account_id}/{params.get('maxResults')}"]}


def registry(_environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"registry"]


def operator(_environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"operator"]


@pytest.fixture
def moto() -> FakeMoto:
    return FakeMoto()


@pytest.fixture
def gateway(moto: FakeMoto) -> Gateway:
    return Gateway(
        services={"ecs": AwsService("ecs", {"ListClusters": list_clusters})},
        moto=moto,
        account_id="000000000000",
        region="us-east-1",
        registry=registry,
        routes={"/_sandbox/alb": operator},
    )


def scope(service: str, region: str = "eu-west-1") -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )


def call(
    gateway: Gateway, path: str = "/", body: bytes = b"", **headers: str
) -> tuple[int, Any, bytes]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": headers.pop("method", "POST"),
        "PATH_INFO": path,
        "QUERY_STRING": headers.pop("query", ""),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.pop("content_type", "application/x-amz-json-1.1"),
        "wsgi.input": io.BytesIO(body),
    }
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    started: list[Any] = []
    chunks = gateway(environ, lambda status, fields, *_: started.append((status, dict(fields))))
    status, fields = started[0]
    return int(status.split()[0]), fields, b"".join(chunks)


def test_signing_scope_chooses_the_service_and_the_region(gateway: Gateway) -> None:
    target = "AmazonEC2ContainerServiceV20141113.ListClusters"
    status, _, body = call(
        gateway, body=b'{"maxResults": 5}', authorization=scope("ecs"), x_amz_target=target
    )
    assert (status, json.loads(body)) == (200, {"clusterArns": ["eu-west-1/000000000000/5"]})


def test_unsigned_target_header_chooses_the_service(gateway: Gateway) -> None:
    target = "AmazonEC2ContainerServiceV20141113.ListClusters"
    _, _, body = call(gateway, body=b"{}", x_amz_target=target)
    assert json.loads(body) == {"clusterArns": ["us-east-1/000000000000/None"]}


def test_what_is_not_ours_goes_to_moto_with_its_region(gateway: Gateway, moto: FakeMoto) -> None:
    assert call(gateway, "/bucket/key", authorization=scope("s3", "us-west-2"))[2] == b"moto"
    assert moto.seen[0][0].region == "us-west-2"


def test_presigned_url_is_read_like_a_header(gateway: Gateway, moto: FakeMoto) -> None:
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Feu-west-3%2Fs3%2Faws4_request"
    call(gateway, "/bucket/key", method="GET", query=query)
    assert moto.seen[0][0].region == "eu-west-3"


@pytest.mark.parametrize(
    ("version", "name"), [("2012-06-01", "elb"), ("2015-12-01", "elbv2")], ids=["classic", "v2"]
)
def test_version_tells_the_two_load_balancing_services_apart(
    gateway: Gateway, version: str, name: str
) -> None:
    request = WireRequest(
        method="POST",
        path="/",
        query_string="",
        headers={
            "Authorization": scope("elasticloadbalancing"),
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body=f"Action=DescribeLoadBalancers&Version={version}".encode(),
    )
    assert gateway.service_name(request) == name


@pytest.mark.parametrize("path", ["/v2/", "/v2/name/blobs/uploads/"])
def test_unsigned_registry_paths_go_to_the_registry(gateway: Gateway, path: str) -> None:
    assert call(gateway, path, method="GET")[2] == b"registry"


def test_bucket_named_v2_is_not_the_registry(gateway: Gateway) -> None:
    assert call(gateway, "/v2/key", authorization=scope("s3"))[2] == b"moto"


def test_registered_route_is_served_and_an_unknown_one_is_not_found(gateway: Gateway) -> None:
    assert call(gateway, "/_sandbox/alb/names", method="GET")[2] == b"operator"
    assert call(gateway, "/_sandbox/albs", method="GET")[0] == 404


def test_health_names_who_runs_each_service(gateway: Gateway) -> None:
    status, _, body = call(gateway, "/_sandbox/health", method="GET")
    services = json.loads(body)["services"]
    assert status == 200
    assert services["ecs"] == {"status": "running", "by": "sandbox"}
    assert services["s3"] == {"status": "running", "by": "moto"}


def test_operation_that_is_not_built_names_itself(gateway: Gateway) -> None:
    target = "AmazonEC2ContainerServiceV20141113.ListAccountSettings"
    status, _, body = call(gateway, body=b"{}", authorization=scope("ecs"), x_amz_target=target)
    assert status == 501
    assert "ecs.ListAccountSettings" in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("service", "content_type", "expected"),
    [
        ("s3", "", b"<Error><Code>NotImplemented</Code><Message>no &lt;such&gt; thing</Message>"),
        (
            "ec2",
            "application/x-www-form-urlencoded",
            b"<Response><Errors><Error><Code>NotImplemented</Code>",
        ),
        (
            "iam",
            "application/x-www-form-urlencoded",
            b"<ErrorResponse><Error><Type>Receiver</Type><Code>",
        ),
        (
            "lambda",
            "application/json",
            b'{"__type": "NotImplemented", "message": "no <such> thing"}',
        ),
    ],
)
def test_error_has_the_shape_of_the_protocol(
    gateway: Gateway, service: str, content_type: str, expected: bytes
) -> None:
    status, _, body = call(
        gateway, "/refused", authorization=scope(service), content_type=content_type
    )
    assert status == 501
    assert body.startswith(expected)


def test_broken_part_answers_internal_failure_and_the_next_request_is_served(
    gateway: Gateway,
) -> None:
    status, _, body = call(gateway, "/broken", authorization=scope("lambda"))
    assert status == 500
    assert "RuntimeError: it broke" in json.loads(body)["message"]
    assert call(gateway, "/fine", authorization=scope("lambda"))[0] == 200


def test_loops_stop_in_reverse_order(moto: FakeMoto) -> None:
    order: list[str] = []

    class Loop:
        def __init__(self, name: str) -> None:
            self.name = name

        def start(self) -> None:
            order.append(f"start {self.name}")

        def stop(self) -> None:
            order.append(f"stop {self.name}")

    gateway = Gateway(
        services={}, moto=moto, account_id="0", region="r", loops=[Loop("a"), Loop("b")]
    )
    gateway.start()
    gateway.stop()
    assert order == ["start a", "start b", "stop b", "stop a"]


class FakeUpstream:
    """Takes S3 and Logs; is down when told."""

    def __init__(self) -> None:
        self.status = "running"

    def takes(self, service: str) -> bool:
        if service in {"s3", "logs"} and self.status != "running":
            raise AwsError("ServiceUnavailable", "LocalStack at URL does not answer", status=503)
        return service in {"s3", "logs"}

    def handle(self, _context: RequestContext, _request: WireRequest) -> WireResponse:
        return WireResponse(status=200, headers={}, body=b"upstream")

    def rows(self, known: Iterable[str]) -> dict[str, dict[str, str]]:
        return {name: {"status": self.status, "by": "localstack"} for name in known if name == "s3"}

    def health(self) -> dict[str, object]:
        return {"url": "URL", "status": self.status}


@pytest.fixture
def upstream() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
def forwarding(moto: FakeMoto, upstream: FakeUpstream) -> Gateway:
    return Gateway(
        services={name: AwsService(name, {}) for name in ("ecs", "logs")},
        moto=moto,
        account_id="000000000000",
        region="us-east-1",
        upstream=upstream,
    )


@pytest.mark.parametrize(
    ("service", "answer"), [("s3", b"upstream"), ("logs", b"upstream"), ("sqs", b"moto")]
)
def test_upstream_comes_first_for_what_it_takes(
    forwarding: Gateway, service: str, answer: bytes
) -> None:
    assert call(forwarding, authorization=scope(service))[2] == answer


def test_upstream_that_is_gone_is_an_error_and_shows_in_the_health(
    forwarding: Gateway, upstream: FakeUpstream, moto: FakeMoto
) -> None:
    upstream.status = "unreachable"
    status, _, body = call(forwarding, authorization=scope("s3"))
    assert (status, b"<Code>ServiceUnavailable</Code>" in body) == (503, True)
    assert moto.seen == []
    page = json.loads(call(forwarding, "/_sandbox/health", method="GET")[2])
    assert page["status"] == "degraded"
    assert page["localstack"] == {"url": "URL", "status": "unreachable"}
    assert page["services"]["s3"] == {"status": "unreachable", "by": "localstack"}
    assert page["services"]["ecs"] == {"status": "running", "by": "sandbox"}
