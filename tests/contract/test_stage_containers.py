"""Background steps and service dependencies under the real API, engine and delegate."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import docker
import pytest
from container_engine import need_engine, need_image
from harness_processes import Harness, harness_with_delegate
from patience import eventually

from fake_harness.delegate.containers.engine import STAGE_LABEL

IMAGE = "python:3.11-slim"
SERVE = ["python3", "-m", "http.server"]
FETCH = """\
for attempt in $(seq 50); do
  python3 -c 'import urllib.request as u; u.urlopen("http://{}")' && exit 0
  sleep 0.2
done
exit 1
"""


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    need_image(IMAGE)
    return need_engine()


@pytest.fixture(scope="module")
def harness(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    containers = {"FAKE_HARNESS_CONTAINERS": "docker"}
    with harness_with_delegate(tmp_path_factory.mktemp("stage"), containers) as started:
        yield started


def step(identifier: str, kind: str, **spec: object) -> Mapping[str, object]:
    inner = {"identifier": identifier, "name": identifier, "type": kind, "timeout": "1m"}
    return {"step": {**inner, "spec": spec}}


def pipeline(steps: Sequence[Mapping[str, object]], **stage: object) -> str:
    spec: dict[str, Any] = {
        "cloneCodebase": False,
        "runtime": {"type": "Docker", "spec": {}},
        "execution": {"steps": list(steps)},
        **stage,
    }
    build = {"identifier": "build", "name": "build", "type": "CI", "spec": spec}
    document = {
        "identifier": "p",
        "name": "p",
        "orgIdentifier": "default",
        "projectIdentifier": "demo",
        "stages": [{"stage": build}],
    }
    return json.dumps({"pipeline": document})


def left(harness: Harness, engine: docker.DockerClient) -> list[object]:
    """What the engine still has of the stage that ran."""
    label = f"{STAGE_LABEL}={harness.nodes()['build'].id}"
    found: list[object] = engine.containers.list(
        all=True, filters={"label": label}, ignore_removed=True
    )
    return found + list(engine.networks.list(filters={"label": label}))


DATABASE = step("database", "Background", image=IMAGE, entrypoint=SERVE)


@pytest.mark.parametrize(
    ("last", "status"),
    [(FETCH.format("database:8000"), "SUCCEEDED"), ("exit 1", "FAILED")],
    ids=["a stage that succeeds", "a stage that fails"],
)
def test_a_background_step_serves_the_steps_of_its_stage_and_ends_with_it(
    harness: Harness, engine: docker.DockerClient, last: str, status: str
) -> None:
    tests = step("tests", "Run", image=IMAGE, command=last)
    assert harness.run(pipeline([DATABASE, tests])) == status, harness.statuses()
    assert harness.statuses()["database"] == "SUCCEEDED"
    eventually(lambda: not left(harness, engine), "nothing of the stage is left")


def test_service_dependencies_run_before_the_steps_under_their_identifiers(
    harness: Harness, engine: docker.DockerClient
) -> None:
    service = {
        "identifier": "cache",
        "name": "cache",
        "type": "Service",
        "spec": {"image": IMAGE, "entrypoint": SERVE, "args": ["6379"]},
    }
    tests = step("tests", "Run", image=IMAGE, command=FETCH.format("cache:6379"))
    text = pipeline([tests], serviceDependencies=[service])
    assert harness.run(text) == "SUCCEEDED", harness.statuses()
    eventually(lambda: not left(harness, engine), "nothing of the stage is left")


def test_a_stage_whose_service_cannot_start_runs_no_step(harness: Harness) -> None:
    service = {
        "identifier": "cache",
        "type": "Service",
        "spec": {"image": "sandbox-test/absent:1", "imagePullPolicy": "Never"},
    }
    text = pipeline([step("tests", "Run", command="true")], serviceDependencies=[service])
    assert harness.run(text) == "FAILED"
    assert "tests" not in harness.statuses()
