"""Which requests change state, by their names."""

import json

import pytest

from sandbox.aws.moto_plane.effects import is_write, needs_an_engine, operation, poll_seconds
from sandbox.aws.wire import HeaderMap, WireRequest

FORM = "application/x-www-form-urlencoded"


def request(
    method: str = "POST", path: str = "/", body: bytes = b"", **headers: str
) -> WireRequest:
    named = HeaderMap({name.replace("_", "-"): value for name, value in headers.items()})
    return WireRequest(method=method, path=path, query_string="", headers=named, body=body)


@pytest.mark.parametrize(
    ("name", "writes"),
    [
        ("DescribeVpcs", False),
        ("ListKeys", False),
        ("GetSecretValue", False),
        ("BatchGetItem", False),
        ("Query", False),
        ("Decrypt", False),
        ("GenerateDataKeyWithoutPlaintext", False),
        ("CreateVpc", True),
        ("PutItem", True),
        ("AssumeRole", True),
        ("SendMessage", True),
        ("UpdateItem", True),
        ("ExecuteStatement", True),
        ("GenerateCredentialReport", True),
        ("GetId", True),
        ("Signup", True),
        ("SomethingNew", True),
    ],
)
def test_operation_name_tells_reads_from_writes(name: str, writes: bool) -> None:
    target = request(x_amz_target=f"Service_20200101.{name}")
    assert is_write(target, operation(target)) is writes
    form = request(body=f"Action={name}&Version=1".encode(), content_type=FORM)
    assert is_write(form, operation(form)) is writes
    rpc = request(path=f"/service/S/operation/{name}")
    assert is_write(rpc, operation(rpc)) is writes


@pytest.mark.parametrize(
    ("method", "writes"),
    [("GET", False), ("HEAD", False), ("PUT", True), ("DELETE", True), ("POST", True)],
)
def test_rest_services_are_judged_by_method(method: str, writes: bool) -> None:
    asked = request(method, "/bucket/key")
    assert is_write(asked, operation(asked)) is writes


def test_what_would_start_a_container_is_known() -> None:
    invoke = request(path="/2015-03-31/functions/f/invocations")
    assert needs_an_engine("lambda", invoke, "")
    assert not needs_an_engine("lambda", request(path="/2015-03-31/functions"), "")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (request(body=json.dumps({"WaitTimeSeconds": 7}).encode()), 7),
        (request(body=b"Action=ReceiveMessage&WaitTimeSeconds=3", content_type=FORM), 3),
        (request(body=b"{}"), 0),
    ],
    ids=["json", "query", "none"],
)
def test_long_poll_is_read_in_both_protocols(asked: WireRequest, seconds: int) -> None:
    assert poll_seconds("sqs", asked, "ReceiveMessage") == seconds
    assert poll_seconds("sqs", asked, "SendMessage") == 0
