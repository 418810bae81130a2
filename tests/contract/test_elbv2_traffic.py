"""Real traffic through load balancers made with boto3, served by a real Envoy."""

import re
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from elbv2_server import Alb, World, assert_answered_by_the_load_balancer, fixed, forward, world
from elbv2_tls import self_signed
from patience import eventually

AT_ONCE = 25
"""Requests of one client that a quiet machine serves in 50 ms."""


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with world() as w:
        yield w


@pytest.fixture
def alb(made: World, request: pytest.FixtureRequest) -> Iterator[Alb]:
    name = (
        request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:24].strip("-")
    )
    alb = Alb(made, name)
    yield alb
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
    for group in alb.elb.describe_target_groups()["TargetGroups"]:
        alb.elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def split(alb: Alb, path: str, count: int) -> Counter[str]:
    with requests.Session() as session:
        session.trust_env = False
        url = alb.url(path)
        return Counter(session.get(url).headers["x-target"] for _ in range(count))


def test_a_registered_target_becomes_healthy_and_gets_the_traffic(alb: Alb, made: World) -> None:
    group = alb.group("web")
    alb.listener(group)
    target = made.target("one")
    alb.register(group, target)
    alb.await_healthy(group, target)
    answer = alb.get("/hello?x=1")
    seen = answer.json()
    assert answer.status_code == 200
    assert seen["path"] == "/hello?x=1"
    assert seen["headers"]["host"] == alb.dns_name
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"
    assert seen["headers"]["x-forwarded-port"] == "80"
    assert seen["headers"]["x-amzn-trace-id"].startswith("Root=1-")
    assert not [name for name in seen["headers"] if name.startswith(("x-envoy", "x-sandbox"))]


@pytest.mark.parametrize(("weights", "share"), [((90, 10), 0.9), ((1, 3), 0.25), ((0, 100), 0.0)])
def test_weights_split_the_traffic(
    alb: Alb, made: World, weights: tuple[int, int], share: float
) -> None:
    blue, green = alb.group("blue"), alb.group("green")
    listener = alb.listener(fixed("default"))
    rule = alb.elb.create_rule(
        ListenerArn=listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
        Actions=[forward(blue, green, weights=(100, 0))],
    )["Rules"][0]["RuleArn"]
    one, two = made.target("blue"), made.target("green")
    alb.register(blue, one)
    alb.register(green, two)
    alb.await_healthy(blue, one)
    alb.await_healthy(green, two)
    assert split(alb, "/api/x", 50) == {"blue": 50}
    alb.elb.modify_rule(RuleArn=rule, Actions=[forward(blue, green, weights=weights)])
    # Envoy draws for each request: over 6,000 of them three points are more than 4.6 sigma.
    counts = split(alb, "/api/x", 6000)
    assert sum(counts.values()) == 6000
    assert abs(counts["blue"] / 6000 - share) <= 0.03


def test_no_target_is_503(alb: Alb) -> None:
    alb.listener(alb.group("empty"))
    assert_answered_by_the_load_balancer(alb.get(), "503 Service Temporarily Unavailable")


def test_a_target_that_hangs_up_is_502(alb: Alb, made: World) -> None:
    group = alb.group("rude")
    alb.listener(group)
    target = made.target("rude", is_rude=True)
    alb.register(group, target)
    alb.await_healthy(group, target)
    assert_answered_by_the_load_balancer(alb.get(), "502 Bad Gateway")


def test_a_target_that_is_gone_is_502(alb: Alb, made: World) -> None:
    group = alb.group("gone", HealthCheckIntervalSeconds=300)
    alb.listener(group)
    target = made.target("gone")
    alb.register(group, target)
    alb.await_healthy(group, target)
    target.stop()
    assert_answered_by_the_load_balancer(alb.get(), "502 Bad Gateway")


def test_a_target_slower_than_the_idle_timeout_is_504(alb: Alb, made: World) -> None:
    alb.elb.modify_load_balancer_attributes(
        LoadBalancerArn=alb.arn,
        Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "1"}],
    )
    group = alb.group("slow")
    alb.listener(group)
    target = made.target("slow", delay_s=3)
    alb.register(group, target)
    alb.await_healthy(group, target)
    assert_answered_by_the_load_balancer(alb.get(), "504 Gateway Time-out")


def test_a_targets_own_errors_and_server_header_pass_through(alb: Alb, made: World) -> None:
    group = alb.group("own")
    alb.listener(group)
    target = made.target("own", status=503)
    alb.register(group, target)
    alb.await_healthy(group, target)
    answer = alb.get()
    assert answer.status_code == 503
    assert answer.json()["target"] == "own"
    assert answer.headers["server"].startswith("BaseHTTP")


def test_several_load_balancers_use_the_same_port_side_by_side(alb: Alb, made: World) -> None:
    other = Alb(made, "other")
    alb.listener(fixed("one"))
    other.listener(fixed("two"))
    assert (alb.get().text, other.get().text) == ("one", "two")
    assert alb.address()[0] != other.address()[0]
    url = other.url()
    other.elb.delete_load_balancer(LoadBalancerArn=other.arn)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=1)
    assert alb.get().text == "one"


def test_sticky_groups_keep_a_client_with_its_first_choice(alb: Alb, made: World) -> None:
    groups = [alb.group(f"sticky-{number}") for number in range(2)]
    sticky = {"Enabled": True, "DurationSeconds": 60}
    alb.listener(forward(*groups, weights=(1, 1), TargetGroupStickinessConfig=sticky))
    for number, group in enumerate(groups):
        target = made.target(str(number))
        alb.register(group, target)
        alb.await_healthy(group, target)
    firsts = set()
    for _ in range(12):
        with requests.Session() as session:
            session.trust_env = False
            first = session.get(alb.url()).headers["x-target"]
            assert session.cookies["AWSALBTG"]
            assert {session.get(alb.url()).headers["x-target"] for _ in range(5)} == {first}
            firsts.add(first)
    assert firsts == {"0", "1"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "Root=1-67891233-abcdef012345678912345678",
            r"Self=1-.{8}-.{24};Root=1-67891233-abcdef012345678912345678",
        ),
        ("Custom=1", r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Custom=1"),
        (None, r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"),
    ],
)
def test_trace_ids(alb: Alb, made: World, given: str | None, expected: str) -> None:
    group = alb.group("trace")
    alb.listener(group)
    target = made.target("trace")
    alb.register(group, target)
    alb.await_healthy(group, target)
    headers = {} if given is None else {"X-Amzn-Trace-Id": given}
    seen = alb.get(headers=headers).json()["headers"]
    assert re.fullmatch(expected, seen["x-amzn-trace-id"])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("append", "1.2.3.4,127.0.0.1"), ("preserve", "1.2.3.4"), ("remove", None)],
)
def test_forwarded_for_modes(alb: Alb, made: World, mode: str, expected: str | None) -> None:
    key = "routing.http.xff_header_processing.mode"
    alb.elb.modify_load_balancer_attributes(
        LoadBalancerArn=alb.arn, Attributes=[{"Key": key, "Value": mode}]
    )
    group = alb.group("xff")
    alb.listener(group)
    target = made.target("xff")
    alb.register(group, target)
    alb.await_healthy(group, target)
    seen = alb.get(headers={"X-Forwarded-For": "1.2.3.4"}).json()["headers"]
    assert seen.get("x-forwarded-for") == expected


def test_a_new_weight_is_in_effect_when_the_call_returns(alb: Alb, made: World) -> None:
    blue, green = alb.group("blue"), alb.group("green")
    listener = alb.listener(forward(blue, green, weights=(100, 0)))
    for name, group in (("blue", blue), ("green", green)):
        target = made.target(name)
        alb.register(group, target)
        alb.await_healthy(group, target)
    with requests.Session() as session:
        session.trust_env = False
        session.get(alb.url())
        for weights, winner in [((0, 100), "green"), ((100, 0), "blue")] * 10:
            alb.elb.modify_listener(
                ListenerArn=listener, DefaultActions=[forward(blue, green, weights=weights)]
            )
            late = 0
            while session.get(alb.url()).headers["x-target"] != winner:
                late += 1
                assert late < AT_ONCE


def test_sticky_targets_keep_a_client_with_its_first_target(alb: Alb, made: World) -> None:
    group = alb.group("stay")
    alb.elb.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "stickiness.enabled", "Value": "true"}]
    )
    alb.listener(group)
    targets = [made.target(str(number)) for number in range(2)]
    alb.register(group, *targets)
    alb.await_healthy(group, *targets)
    firsts = {}
    for _ in range(10):
        with requests.Session() as session:
            session.trust_env = False
            first = session.get(alb.url()).headers["x-target"]
            cookie = session.cookies["AWSALB"]
            assert {session.get(alb.url()).headers["x-target"] for _ in range(5)} == {first}
            firsts[first] = cookie
    assert set(firsts) == {"0", "1"}
    gone = targets.pop(0)
    alb.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": gone.address}])
    answer = alb.get(headers={"Cookie": f"AWSALB={firsts['0']}"})
    assert answer.headers["x-target"] == "1"


@pytest.mark.parametrize("check_protocol", ["HTTP", "HTTPS"])
def test_targets_may_speak_tls_and_be_probed_without(
    alb: Alb, made: World, tmp_path: Path, check_protocol: str
) -> None:
    key, certificate = self_signed(tmp_path, "target.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    target = made.target("tls")
    assert target.server is not None
    target.server.socket = context.wrap_socket(target.server.socket, server_side=True)
    prober = made.target("prober")
    settings = {"HealthCheckProtocol": check_protocol}
    if check_protocol == "HTTP":
        prober.stop()
        prober.address, prober.port = target.address, 0
        prober.start()
        settings["HealthCheckPort"] = str(prober.port)
    group = alb.group("tls", Protocol="HTTPS", **settings)
    alb.listener(group)
    alb.register(group, target)
    alb.await_healthy(group, target)
    assert alb.get().json()["target"] == "tls"
    assert (prober if check_protocol == "HTTP" else target).probes > 0


def test_header_fields_with_odd_names_are_dropped_on_request(alb: Alb, made: World) -> None:
    key = "routing.http.drop_invalid_header_fields.enabled"
    group = alb.group("odd")
    alb.listener(group)
    target = made.target("odd")
    alb.register(group, target)
    alb.await_healthy(group, target)
    odd = {"X_Odd": "1"}
    assert alb.get(headers=odd).json()["headers"]["x_odd"] == "1"
    alb.elb.modify_load_balancer_attributes(
        LoadBalancerArn=alb.arn, Attributes=[{"Key": key, "Value": "true"}]
    )
    eventually(lambda: "x_odd" not in alb.get(headers=odd).json()["headers"], "it is dropped")


def test_a_header_that_is_too_large_is_400(alb: Alb) -> None:
    alb.listener(fixed("x"))
    answer = alb.get(headers={"X-Large": "x" * 70_000})
    assert_answered_by_the_load_balancer(answer, "400 Bad Request")


def test_response_headers_are_set_as_attributes_say(alb: Alb) -> None:
    listener = alb.listener(fixed("x"))
    prefix = "routing.http.response."
    alb.elb.modify_listener_attributes(
        ListenerArn=listener,
        Attributes=[
            {"Key": f"{prefix}server.enabled", "Value": "false"},
            {"Key": f"{prefix}content_security_policy.header_value", "Value": "a 100% 'self'"},
        ],
    )
    answer = alb.get()
    assert "server" not in answer.headers
    assert answer.headers["content-security-policy"] == "a 100% 'self'"


def test_a_websocket_passes(alb: Alb, made: World) -> None:
    group = alb.group("ws")
    alb.listener(group)
    target = made.target("ws")
    alb.register(group, target)
    alb.await_healthy(group, target)
    with socket.create_connection(alb.address(), timeout=5) as client:
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        stream = client.makefile("rb")
        assert b" 101 " in stream.readline()
        while stream.readline() != b"\r\n":
            pass
        client.sendall(b"hello\n")
        assert stream.readline() == b"hello\n"
