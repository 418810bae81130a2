"""compose.yaml with compose.docker.yaml: tasks, builds and steps as containers beside it.

One image is built by the pipeline, and everything else uses it.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import harness_folder
import pytest
import requests
from compose_command import Compose, running_compose
from ecs_client import ACCOUNT, SECOND_APP, boto_client, ecs_client
from ecs_service import Service
from harness_folder import SCOPE, ci_stage, put, write_folder
from patience import eventually
from sandbox_command import Command

FILES = ("--file", "compose.yaml", "--file", "compose.docker.yaml")
SOCKET = Path("/var/run/docker.sock")
IMAGE = "python:3.11-slim"
DOCKERFILE = f"""\
FROM {IMAGE}
RUN --mount=type=cache,target=/cache touch /cache/only-buildkit-has-this
COPY app.py /app.py
COPY built /built
EXPOSE 8080
CMD ["python", "/app.py"]
"""
WRITE = """\
id -u
touch mine
mkdir out
cat > out/app.py <<'END'
{app}
END
cat > out/Dockerfile <<'END'
{dockerfile}END
python3 -c 'import os, urllib.request as u; print(u.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_sandbox/health").status)'
python3 -c 'import urllib.request as u; print(u.urlopen("http://database:8000").status)'
"""


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if not SOCKET.is_socket():
        pytest.skip(f"no engine's socket at {SOCKET}")
    home = tmp_path_factory.mktemp("dockercompose") / "home"
    group = {"DOCKER_GID": str(SOCKET.stat().st_gid)}
    with running_compose(home, *FILES, variables=group, time_scale="10") as running:
        owner = running("exec", "-T", "aws", "cat", "/state/aws/docker/id").strip()
        yield running
        before = left_of(owner)
        running("down", "--volumes")
        assert (bool(before), left_of(owner)) == (True, []), "tasks end with the sandbox"


@pytest.fixture(scope="module")
def service(compose: Compose, tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("harness") / "harness"

    def by_pipeline(sandbox: Command) -> None:
        write_ci(folder)
        sandbox("sync", "--folder", str(folder))
        done = sandbox("pipeline", "run", "ci", *SCOPE, check=False)
        assert done.returncode == 0, f"{done.stdout}{logs(sandbox)}"

    boto_client(compose.sandbox, "logs").create_log_group(logGroupName="/whole/app")
    return Service(compose.sandbox, ecs_client(compose.sandbox, by_pipeline))


def write_ci(folder: Path) -> None:
    write_folder(folder, "connector", "pipeline")
    credential = {"type": "InheritFromDelegate", "region": "us-east-1"}
    connector = {
        "identifier": "aws",
        "name": "aws",
        "orgIdentifier": harness_folder.ORG,
        "projectIdentifier": harness_folder.PROJECT,
        "type": "Aws",
        "spec": {"credential": credential, "executeOnDelegate": True},
    }
    put(folder, "connector/aws.yaml", {"connector": connector})
    app = (SECOND_APP / "app.py").read_text().rstrip()
    stage = ci_stage(
        step("database", "Background", image=IMAGE, entrypoint=["python3", "-m", "http.server"]),
        step("write", "Run", image=IMAGE, command=WRITE.format(app=app, dockerfile=DOCKERFILE)),
        step("host", "Run", command="id -u; rm mine; touch out/built"),
        step(
            "push",
            "BuildAndPushECR",
            connectorRef="aws",
            account=ACCOUNT,
            region="us-east-1",
            imageName="second",
            tags=["v1"],
            dockerfile="out/Dockerfile",
            context="out",
        ),
    )
    put(folder, "pipeline/ci.yaml", harness_folder.pipeline("ci", stage))


def step(identifier: str, kind: str, **spec: object) -> dict[str, object]:
    head = {"identifier": identifier, "name": identifier, "type": kind, "timeout": "5m"}
    return {**head, "spec": spec}


def logs(sandbox: Command) -> str:
    execution = sandbox.json("pipeline", "list", *SCOPE)[0]["planExecutionId"]
    return sandbox("pipeline", "logs", execution, *SCOPE).stdout


def left_of(owner: str) -> list[str]:
    """Everything that the engine has of one sandbox's tasks."""
    found = []
    for words in (("ps", "--all"), ("network", "ls")):
        command = ["docker", *words, "--quiet", "--filter", f"label=sandbox.id={owner}"]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


def test_nothing_runs_as_root_with_the_socket_either(compose: Compose) -> None:
    for part in ("aws", "delegate"):
        assert compose("exec", "-T", part, "id", "-u").strip() == "1000", part
    for part in ("harness", "engine", "git"):
        compose("exec", "-T", part, "test", "!", "-e", str(SOCKET))


def test_steps_share_workspace_network_and_aws_with_the_delegate(service: Service) -> None:
    said = logs(service.sandbox).splitlines()
    spoken = [line.rpartition(" ")[2] for line in said]
    assert spoken.count("200") == 2, "a step reaches the local AWS and a Background step"
    assert {"0", "1000"} <= set(spoken), "root in its image; on the delegate it is not"
    assert any("BuildKit" in line for line in said)


def test_a_pipelines_image_runs_behind_the_load_balancer(service: Service) -> None:
    service.stable()
    answers = [service.ask() for _ in range(12)]
    assert {answer["name"] for answer in answers} == {"second"}
    rows = json.loads(
        subprocess.run(
            ["docker", "inspect", *containers_of(service)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    assert len(rows) == 2
    assert {row["HostConfig"]["Memory"] for row in rows} == {512 * 2**20}


def containers_of(service: Service) -> list[str]:
    """The containers of the service's tasks, but for those that hold their networks."""
    tasks = [f"label=com.amazonaws.ecs.task-arn={arn}" for arn in service.tasks()]
    found: list[str] = []
    for task in tasks:
        command = ["docker", "ps", "--quiet", "--filter", task]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


def test_tasks_outlive_a_gateway_that_was_killed(compose: Compose, service: Service) -> None:
    service.stable()
    before = sorted(containers_of(service))
    compose("exec", "-T", "aws", "pkill", "-9", "-f", "sandbox.aws.server")
    eventually(lambda: is_served(compose), "the gateway is back")
    service.stable()
    assert sorted(containers_of(service)) == before
    service.ask()


def is_served(compose: Compose) -> bool:
    try:
        url = f"http://127.0.0.1:{compose.sandbox.env['SANDBOX_AWS_PORT']}/_sandbox/health"
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_a_stop_ends_the_tasks_and_a_start_brings_the_service_back(
    compose: Compose, service: Service
) -> None:
    service.stable()
    before = set(containers_of(service))
    compose("down")
    running = subprocess.run(
        ["docker", "ps", "--quiet"], capture_output=True, text=True, check=True
    )
    assert not before & set(running.stdout.split())
    compose("up", "--wait", "--wait-timeout", "180")
    service.stable()
    service.ask()
    assert not before & set(containers_of(service))
