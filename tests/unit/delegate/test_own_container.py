"""Where a delegate that is itself a container finds its folders and is found."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from fake_harness.delegate.containers.give_back import give_back_document
from fake_harness.delegate.containers.own import OwnNetwork, Surroundings, surroundings
from fake_harness.delegate.results import StepFailedError

OWN = {
    "Id": "0123456789abcdef",
    "Mounts": [
        {"Destination": "/state", "Source": "/var/lib/docker/volumes/s/_data"},
        {"Destination": "/state/delegate/inner", "Source": "/srv/inner"},
        {"Destination": "/scratch", "Source": ""},
    ],
    "NetworkSettings": {
        "Networks": {"b": {"IPAddress": "172.30.0.2"}, "a": {"IPAddress": ""}},
    },
}


class Engine:
    """An engine that runs one container."""

    def inspect_container(self, name: str) -> Any:
        if not OWN["Id"].startswith(name) and name != "named":  # type: ignore[attr-defined]
            raise NotFound("No such container")
        return OWN

    def inspect_network(self, name: str) -> Any:
        assert name == "b"
        config = [{"Subnet": "fd00::/64"}, {"Subnet": "172.30.0.0/16"}]
        return {"IPAM": {"Config": config}}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    path = tmp_path / ".dockerenv"
    path.touch()
    return path


def test_a_folder_is_where_the_nearest_volume_is_on_the_engine(mark: Path) -> None:
    where = surroundings(Engine(), "0123456789ab", mark)
    volume = "/var/lib/docker/volumes/s/_data"
    assert where.on_engine(Path("/state/delegate/w")) == Path(volume, "delegate/w")
    assert where.on_engine(Path("/state/delegate/inner/w")) == Path("/srv/inner/w")


@pytest.mark.parametrize("path", ["/tmp/w", "/statement", "/scratch/w"])
def test_a_folder_in_no_volume_is_refused_and_named(mark: Path, path: str) -> None:
    where = surroundings(Engine(), "0123456789ab", mark)
    with pytest.raises(StepFailedError, match=path) as refused:
        where.on_engine(Path(path))
    assert refused.value.failure_types == ("CONFIGURATION_FAILURE",)


def test_it_is_found_on_the_first_network_with_an_address(mark: Path) -> None:
    where = surroundings(Engine(), "0123456789ab", mark)
    subnet = IPv4Network("172.30.0.0/16")
    assert where.network == OwnNetwork(name="b", address="172.30.0.2", subnet=subnet)


@pytest.mark.parametrize("hostname", ["ffffffffffff", "named"])
def test_a_container_of_another_engine_is_not_mistaken_for_its_own(
    mark: Path, hostname: str
) -> None:
    assert surroundings(Engine(), hostname, mark) == Surroundings()


def test_on_the_engines_machine_paths_are_what_they_are(tmp_path: Path) -> None:
    where = surroundings(Engine(), "0123456789ab", tmp_path / "absent")
    assert (where.on_engine(tmp_path), where.network) == (tmp_path, None)


def test_roots_files_are_given_back_with_no_more_rights_than_that_takes() -> None:
    step = {
        "Image": "app:1",
        "Labels": {"harness.delegate-task": "t1"},
        "Env": ["TOKEN=secret"],
        "HostConfig": {"Binds": ["/w:/harness"], "NetworkMode": "stage", "Privileged": True},
    }
    made: Any = give_back_document(step, uid=1000, gid=1001)
    words = " ".join([*made["Entrypoint"], *made["Cmd"]])
    assert words == "find /harness /tmp/engine -xdev -user 0 -exec chown -h 1000:1001 {} +"
    assert made["Labels"] == step["Labels"]
    assert made["HostConfig"] == {
        "Binds": ["/w:/harness"],
        "NetworkMode": "none",
        "CapDrop": ["ALL"],
        "CapAdd": ["CHOWN", "DAC_OVERRIDE"],
    }
    assert "Env" not in made
