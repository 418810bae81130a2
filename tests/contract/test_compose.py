"""The sandbox from compose.yaml alone, used from this machine with its own tools."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import harness_folder
import pytest
import requests
from compose_command import Compose, running_compose
from ecs_client import boto_client, ecs_client, environment
from ecs_service import Service
from harness_folder import SCOPE, custom_stage, put, shell_script, write_folder


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    with running_compose(tmp_path_factory.mktemp("compose") / "home", time_scale="10") as running:
        yield running


@pytest.fixture(scope="module")
def service(compose: Compose) -> Service:
    boto_client(compose.sandbox, "logs").create_log_group(logGroupName="/whole/app")
    return Service(compose.sandbox, ecs_client(compose.sandbox))


def await_true(condition: Callable[[], bool], what: str, *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.2)


def delegates(compose: Compose) -> list[str]:
    port = compose.sandbox.env["SANDBOX_HARNESS_PORT"]
    answer = requests.get(f"http://127.0.0.1:{port}/health", timeout=10)
    names: list[str] = answer.json()["delegates"]
    return names


def test_up_waits_until_every_part_is_healthy(compose: Compose) -> None:
    states = compose.states()
    parts = {name.removeprefix(f"{compose.project}-").removesuffix("-1") for name in states}
    assert parts == {"aws", "harness", "engine", "delegate", "git"}
    assert set(states.values()) == {("running", "healthy")}


def test_nothing_runs_as_root(compose: Compose) -> None:
    for part in ("aws", "harness", "engine", "delegate", "git"):
        assert compose("exec", "-T", part, "id", "-u").strip() == "1000", part


def test_ports_are_open_on_loopback_alone(compose: Compose) -> None:
    for name in ("AWS", "HARNESS", "GIT", "PROXY"):
        port = compose.sandbox.env[f"SANDBOX_{name}_PORT"]
        assert compose("port", "aws", port).strip() == f"127.0.0.1:{port}"


def test_a_service_runs_behind_its_load_balancer(service: Service) -> None:
    service.stable()
    answers = {service.ask()["pid"] for _ in range(12)}
    assert len(answers) == 2, "both tasks answer, by the load balancer's plain name"


def test_pipeline_steps_reach_the_local_aws_from_their_container(
    compose: Compose, service: Service, tmp_path: Path
) -> None:
    del service  # its cluster is what the step sees
    folder = write_folder(tmp_path / "harness", "pipeline")
    step = shell_script("id -u; aws ecs list-clusters --output text")
    put(folder, "pipeline/ask.yaml", harness_folder.pipeline("ask", custom_stage(step)))
    compose.sandbox("sync", "--folder", str(folder))
    compose.sandbox("pipeline", "run", "ask", *SCOPE)
    execution = compose.sandbox.json("pipeline", "list", *SCOPE)[0]["planExecutionId"]
    said = compose.sandbox("pipeline", "logs", execution, *SCOPE).stdout
    assert "1000" in said, "steps do not run as root either"
    assert "cluster/c" in said


def test_delegates_scale(compose: Compose) -> None:
    compose("up", "--wait", "--no-recreate", "--scale", "delegate=3")
    await_true(lambda: len(delegates(compose)) == 3, "three delegates are registered")
    assert len(set(delegates(compose))) == 3
    compose("up", "--wait", "--no-recreate", "--scale", "delegate=1")
    await_true(lambda: len(delegates(compose)) == 1, "one delegate is left")


def test_the_parts_follow_when_the_engine_restarts_aws(compose: Compose) -> None:
    known = set(delegates(compose))
    compose("exec", "-T", "aws", "kill", "1")
    await_true(lambda: is_back(compose, known), "the parts are on the new network")
    compose("up", "--wait", "--no-recreate", "--wait-timeout", "120")


def is_back(compose: Compose, known: set[str]) -> bool:
    try:
        return known == set(delegates(compose))
    except requests.RequestException:
        return False


def test_state_outlives_the_containers(compose: Compose, service: Service) -> None:
    name = service.dns_name
    compose("down", "--timeout", "5")
    compose("up", "--wait", "--wait-timeout", "180")
    balancers = boto_client(compose.sandbox, "elbv2").describe_load_balancers()
    assert [row["DNSName"] for row in balancers["LoadBalancers"]] == [name]
    service.stable()
    service.ask()
    assert environment(compose.sandbox)["AWS_ENDPOINT_URL"]
