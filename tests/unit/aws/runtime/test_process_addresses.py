import socket
import sys
from pathlib import Path

import pytest

from sandbox.aws.runtime.process.addresses import Addresses, NoAddressError

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has every address of 127.0.0.0/8"
)
NETWORK = "127.77.0.0/29"


def test_each_owner_gets_its_own_until_none_is_left(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path, NETWORK)
    claimed = [addresses.claim(f"task{i}", []).address for i in range(6)]
    assert sorted(claimed) == [f"127.77.0.{i}" for i in range(1, 7)]
    with pytest.raises(NoAddressError):
        addresses.claim("one more", [])
    addresses.release(claimed[2])
    assert addresses.claim("another", []).address == claimed[2]


def test_claims_outlive_the_process_and_orphans_are_freed(tmp_path: Path) -> None:
    first = Addresses(tmp_path, NETWORK).claim("kept", []).address
    orphan = Addresses(tmp_path, NETWORK).claim("gone", []).address
    again = Addresses(tmp_path, NETWORK)
    again.keep({"kept"})
    rest = {again.claim(f"task{i}", []).address for i in range(5)}
    assert orphan in rest
    assert first not in rest


def test_address_whose_port_is_in_use_is_passed_over(tmp_path: Path) -> None:
    with socket.create_server(("127.77.0.3", 0)) as server:
        port = server.getsockname()[1]
        addresses = Addresses(tmp_path, NETWORK)
        claimed = [addresses.claim(f"task{i}", [port]) for i in range(5)]
        assert "127.77.0.3" not in {endpoint.address for endpoint in claimed}
        assert all(endpoint.ports == {port: port} for endpoint in claimed)


def test_forbidden_port_is_mapped_to_a_high_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = socket.socket.bind

    def bind(self: socket.socket, address: tuple[str, int]) -> None:
        if 0 < address[1] < 1024:
            raise PermissionError(13, "Permission denied")
        plain(self, address)

    monkeypatch.setattr(socket.socket, "bind", bind)
    endpoint = Addresses(tmp_path, NETWORK).claim("task", [80, 5000])
    assert endpoint.ports == {80: 20080, 5000: 5000}
