"""Addresses and ports for listeners, tried on the real loopback network."""

import socket

import pytest

from sandbox.aws.elbv2.addresses import bindable_port, can_bind, free_address
from sandbox.errors import AwsError

NETWORK = "127.251.7.0/29"


def test_the_lowest_address_that_is_not_taken_is_chosen() -> None:
    assert free_address(NETWORK, ()) == "127.251.7.1"
    assert free_address(NETWORK, {"127.251.7.1", "127.251.7.2"}) == "127.251.7.3"


def test_an_address_where_another_sandbox_listens_is_left_out() -> None:
    with socket.create_server(("127.251.7.1", 8080)):
        assert free_address(NETWORK, ()) == "127.251.7.2"


def test_a_full_network_is_told() -> None:
    with pytest.raises(AwsError, match="no address left"):
        free_address(NETWORK, {f"127.251.7.{n}" for n in range(1, 7)})


def test_a_port_is_mapped_where_it_cannot_be_bound() -> None:
    with socket.create_server(("127.251.7.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not can_bind("127.251.7.1", port)
        mapped = bindable_port("127.251.7.1", port, ())
    assert mapped != port
    assert mapped == (port + 8000 if port + 8000 < 65536 else mapped)
    assert can_bind("127.251.7.1", mapped)


def test_a_port_that_another_listener_stands_for_is_not_given_twice() -> None:
    assert bindable_port("127.251.7.1", 8081, {8081}) == 16081
