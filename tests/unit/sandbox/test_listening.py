"""A taken port is named with its holder and the setting."""

import socket
from collections.abc import Iterator

import pytest

from sandbox.errors import DependencyError
from sandbox.listening import port_holder, require_free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_taken_port_names_its_holder_and_the_setting(taken: int) -> None:
    with pytest.raises(DependencyError) as refused:
        require_free_port("127.0.0.1", taken, what="git", setting="SANDBOX_GIT_PORT")
    message = refused.value.message
    assert f"Port {taken} on 127.0.0.1 (for `git`) is taken by " in message
    assert "(pid " in message
    assert "SANDBOX_GIT_PORT" in refused.value.hint


def test_address_of_another_machine_is_no_taken_port() -> None:
    with pytest.raises(DependencyError, match="cannot be bound"):
        require_free_port("192.0.2.1", 4566, what="aws", setting="SANDBOX_AWS_PORT")


def test_free_port_is_accepted(taken: int) -> None:
    assert port_holder(taken)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    require_free_port("127.0.0.1", free, what="git", setting="SANDBOX_GIT_PORT")
    assert port_holder(free) == ""
