"""What survives: the control plane killed, Envoy killed, a listener that cannot bind."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError
from elbv2_server import Alb, World, fixed, forward, world
from elbv2_tls import key_and_certificate
from patience import eventually

from sandbox.aws.ports import Certificate


@pytest.fixture
def made() -> Iterator[World]:
    with world() as w:
        yield w


def test_envoy_serves_while_the_control_plane_is_away_and_follows_the_new_one(
    made: World,
) -> None:
    alb = Alb(made)
    group, target = alb.group("web"), made.target("web")
    listener = alb.listener(group)
    alb.register(group, target)
    alb.await_healthy(group, target)
    before = alb.elb.describe_listeners(LoadBalancerArn=alb.arn)["Listeners"]

    made.stop_plane()
    assert alb.get().status_code == 200
    made.start_plane()

    assert alb.elb.describe_listeners(LoadBalancerArn=alb.arn)["Listeners"] == before
    alb.await_healthy(group, target)
    assert alb.get().status_code == 200
    eventually(lambda: made.plane.status()["envoy"] == "connected", "Envoy is back")
    alb.elb.modify_listener(ListenerArn=listener, DefaultActions=[fixed("changed")])
    assert alb.get().text == "changed"


def test_what_changed_while_envoy_was_away_is_served_when_it_is_back(made: World) -> None:
    alb = Alb(made)
    alb.listener(fixed("one"))
    other = alb.listener(fixed("other"), Port=81)
    made.kill_envoy()
    eventually(lambda: made.plane.status()["envoy"] == "not connected", "Envoy is gone")
    alb.listener(fixed("two"), Port=82)
    alb.elb.delete_listener(ListenerArn=other)
    made.start_envoy()
    eventually(lambda: _text(alb, 82) == "two", "the new listener is served")
    assert alb.get().text == "one"
    assert _text(alb, 81) == ""


def _text(alb: Alb, port: int) -> str:
    try:
        return alb.get(port=port).text
    except (requests.ConnectionError, KeyError):
        return ""


def test_a_killed_envoy_serves_everything_again(made: World) -> None:
    alb = Alb(made)
    groups = [alb.group(f"g{number}") for number in range(2)]
    alb.listener(forward(*groups, weights=(0, 1)))
    targets = [made.target(f"g{number}") for number in range(2)]
    for group, target in zip(groups, targets, strict=True):
        alb.register(group, target)
        alb.await_healthy(group, target)
    made.kill_envoy()
    gone = ("unavailable", "Elb.InternalError")
    eventually(lambda: alb.health(groups[0])[targets[0].address][:2] == gone, "it is told")
    made.start_envoy()
    assert alb.get().json()["target"] == "g1"
    for group, target in zip(groups, targets, strict=True):
        alb.await_healthy(group, target)


def test_a_port_that_is_taken_is_mapped_and_published(made: World) -> None:
    alb = Alb(made)
    address = _address(made, alb)
    with socket.create_server((address, 80)):
        alb.listener(fixed("mapped"))
        assert alb.address() == (address, 8080)
        assert alb.get().text == "mapped"


def _address(made: World, alb: Alb) -> str:
    balancers = made.plane.status()["load_balancers"]
    assert isinstance(balancers, list)
    return str(next(row["address"] for row in balancers if row["dns_name"] == alb.dns_name))


def test_a_listener_that_can_no_longer_bind_is_reported_and_comes_back(made: World) -> None:
    alb = Alb(made)
    alb.listener(fixed("here"))
    alb.listener(fixed("there"), Port=81)
    made.kill_envoy()
    eventually(lambda: made.plane.status()["envoy"] == "not connected", "Envoy is gone")
    with socket.create_server(alb.address()):
        made.start_envoy()
        eventually(lambda: made.plane.status()["refused"], "the refusal is reported")
        refused = made.plane.status()["refused"]
        assert isinstance(refused, list)
        assert "cannot bind" in refused[0]["detail"]
        eventually(lambda: _states(made) == {80: "refused", 81: "serving"}, "both are told")
        assert alb.get(port=81).text == "there"
    eventually(lambda: _text(alb, 80) == "here", "the listener is tried again")
    eventually(lambda: _states(made) == {80: "serving", 81: "serving"}, "both serve")


def _states(made: World) -> dict[int, str]:
    balancers = made.plane.status()["load_balancers"]
    assert isinstance(balancers, list)
    return {row["port"]: row["state"] for row in balancers[0]["listeners"]}


def test_what_envoy_refuses_is_no_success_and_leaves_no_trace(made: World) -> None:
    """A key that does not fit its certificate is found by Envoy alone."""
    alb = Alb(made)
    key, _ = key_and_certificate("a.example.com")
    _, certificate = key_and_certificate("a.example.com")
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/wrong"
    made.certificates[arn] = Certificate(
        arn=arn,
        domain_name="a.example.com",
        certificate_pem=certificate,
        chain_pem="",
        private_key_pem=key,
    )
    tls = {"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": arn}]}
    with pytest.raises(ClientError, match=r"refused this configuration.*KEY_VALUES_MISMATCH"):
        alb.listener(fixed("never"), **tls)
    assert alb.elb.describe_listeners(LoadBalancerArn=alb.arn)["Listeners"] == []
    alb.listener(fixed("fine"))
    assert alb.get().text == "fine"


def test_parallel_writes_are_all_in_effect(made: World) -> None:
    alb = Alb(made)
    listener = alb.listener(fixed("default"))

    def add(number: int) -> None:
        made.client().create_rule(
            ListenerArn=listener,
            Priority=number,
            Conditions=[{"Field": "path-pattern", "Values": [f"/{number}"]}],
            Actions=[fixed(f"rule {number}")],
        )
        assert alb.get(f"/{number}").text == f"rule {number}"

    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            add(number)
        except BaseException as error:  # noqa: BLE001  shown below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(alb.elb.describe_rules(ListenerArn=listener)["Rules"]) == 13


def test_names_are_published_and_withdrawn(made: World) -> None:
    alb = Alb(made)
    alb.listener(fixed("x"))
    assert alb.address() == (_address(made, alb), 80)
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
    assert made.names_file.read_text() == "{}"


def test_a_home_with_too_long_a_path_is_refused_with_a_way_out(tmp_path: Path) -> None:
    from sandbox.aws.elbv2.bootstrap import write_bootstrap
    from sandbox.errors import UsageError

    deep = tmp_path / ("x" * 120)
    with pytest.raises(UsageError) as refused:
        write_bootstrap(deep, deep / "ads.sock")
    assert "SANDBOX_HOME" in refused.value.hint
