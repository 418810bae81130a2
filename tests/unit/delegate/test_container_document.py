from pathlib import Path
from typing import Any

import pytest

from fake_harness.delegate.containers.document import StepContainer, container_document, quantity
from fake_harness.delegate.containers.engine import STAGE_LABEL, TASK_LABEL
from fake_harness.delegate.containers.images import full_name
from fake_harness.delegate.containers.network import network_name
from fake_harness.delegate.results import StepFailedError


def document(**wishes: Any) -> Any:
    wanted = StepContainer(
        image="app:1",
        task_id="t1",
        stage_id="s1",
        identifier="db",
        workspace=Path("/work/s1"),
        scratch=Path("/tasks/t1/scratch"),
        **wishes,
    )
    hosts = {"host.docker.internal": "172.20.0.1"}
    return container_document(wanted, network="net", hosts=hosts, cpus=2)


def test_the_workspace_is_at_harness_and_at_its_own_place() -> None:
    made = document()
    assert made["HostConfig"]["Binds"] == [
        "/work/s1:/harness",
        "/work/s1:/work/s1",
        "/tasks/t1/scratch:/tmp/engine",
    ]
    assert made["WorkingDir"] == "/harness"


def test_the_stage_knows_the_container_by_the_steps_identifier_and_the_engine_by_labels() -> None:
    made = document()
    assert made["NetworkingConfig"]["EndpointsConfig"] == {"net": {"Aliases": ["db"]}}
    assert made["Labels"] == {TASK_LABEL: "t1", STAGE_LABEL: "s1"}


def test_without_wishes_the_images_own_command_runs_without_limits() -> None:
    made = document()
    assert (made["Entrypoint"], made["Cmd"], made["User"]) == (None, None, "")
    assert not {"Memory", "NanoCpus"} & set(made["HostConfig"])


def test_ports_are_published_on_loopback_only() -> None:
    made = document(port_bindings={"15432": "5432"})
    expected = {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "15432"}]}
    assert made["HostConfig"]["PortBindings"] == expected


@pytest.mark.parametrize(("cpu", "nanos"), [("400m", 4 * 10**8), ("1.5", 15 * 10**8), ("8", 2e9)])
def test_a_cpu_limit_is_capped_by_the_engines_cpus(cpu: str, nanos: int) -> None:
    assert document(cpu=cpu)["HostConfig"]["NanoCpus"] == nanos


def test_a_memory_limit_allows_no_swap() -> None:
    limits = document(memory="500Mi")["HostConfig"]
    assert limits["Memory"] == limits["MemorySwap"] == 500 * 2**20


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("100m", 0.1), ("2k", 2000), ("1Gi", 2**30), ("3G", 3e9)]
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "lots", "1 GB", "-1", "1Mib"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(StepFailedError, match="is no quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("image", "url", "name"),
    [
        ("node", "", "node:latest"),
        ("node:18", "https://index.docker.io/v1/", "node:18"),
        ("team/app", "https://registry.example.com/v2/", "registry.example.com/team/app:latest"),
        ("quay.io/team/app:1", "https://registry.example.com", "quay.io/team/app:1"),
        ("app@sha256:00", "", "app@sha256:00"),
    ],
)
def test_an_image_is_of_its_connectors_registry_unless_it_names_one(
    image: str, url: str, name: str
) -> None:
    assert full_name(image, {"dockerRegistryUrl": url}) == name


def test_a_stage_has_one_network_name_that_the_engine_takes() -> None:
    name = network_name("stage/with:odd characters")
    assert name == network_name("stage/with:odd characters") != network_name("other")
    assert name.replace("-", "").isalnum()
