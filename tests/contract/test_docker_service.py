"""A service of two containers behind a load balancer, on a whole sandbox with Docker."""

import base64
import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator

import pytest
from docker_case import PYTHON, python_image, require_engine
from ecs_client import SECOND_APP, EcsTestClient, boto_client, ecs_client
from ecs_service import LOGS, Service
from patience import eventually
from sandbox_command import Command, running_sandbox

WHO_AM_I = """
import os, urllib.request
scope = "Credential=KEY/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0"
request = urllib.request.Request(
    os.environ["AWS_ENDPOINT_URL"],
    data=b"Action=GetCallerIdentity&Version=2011-06-15",
    headers={"Authorization": "AWS4-HMAC-SHA256 " + scope},
)
print(urllib.request.urlopen(request).read().decode().replace(chr(10), ""))
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    require_engine().close()
    home = tmp_path_factory.mktemp("docker") / "state"
    with running_sandbox(home, time_scale="10", engine="docker") as command:
        yield command
    assert containers(home.as_posix()) == [], "down --purge removes every container"


@pytest.fixture(scope="module")
def ecs(sandbox: Command) -> EcsTestClient:
    boto_client(sandbox, "logs").create_log_group(logGroupName="/whole/app")
    return ecs_client(sandbox, push_image)


@pytest.fixture(scope="module")
def service(sandbox: Command, ecs: EcsTestClient) -> Service:
    made = Service(sandbox, ecs)
    made.stable()
    return made


def push_image(sandbox: Command) -> None:
    """Build the second app on this machine's Python; push it as `docker push` does."""
    ecr = boto_client(sandbox, "ecr")
    described = ecr.describe_repositories(repositoryNames=["second"])["repositories"][0]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    name = str(described["repositoryUri"])
    client = require_engine()
    try:
        built = list(
            client.build(
                fileobj=context(), custom_context=True, tag=f"{name}:v1", rm=True, decode=True
            )
        )
        login = {"username": user, "password": password}
        pushed = list(client.push(name, tag="v1", auth_config=login, stream=True, decode=True))
        assert not [event for event in (*built, *pushed) if "error" in event]
        client.remove_image(f"{name}:v1")
    finally:
        client.close()


def context() -> io.BytesIO:
    dockerfile = f"""
FROM {python_image()}
COPY app.py /app/app.py
EXPOSE 8080
CMD ["{PYTHON}", "/app/app.py"]
"""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(SECOND_APP / "app.py", "app.py")
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile.encode())
        tar.addfile(member, io.BytesIO(dockerfile.encode()))
    archive.seek(0)
    return archive


def containers(home: str) -> list[str]:
    client = require_engine()
    try:
        rows = client.containers(all=True, filters={"label": [f"sandbox.home={home}"]})
        return sorted(str(row["Id"]) for row in rows)
    finally:
        client.close()


def test_load_balancer_reaches_containers(service: Service) -> None:
    assert service.ask()["name"] == "second"
    described = service.ecs.ecs.describe_services(cluster="c", services=["whole"])["services"][0]
    assert (described["runningCount"], described["pendingCount"]) == (2, 0)
    assert len(containers(str(service.sandbox.home))) == 4, "one holds the network of each task"


def test_status_says_what_runs_the_tasks(sandbox: Command) -> None:
    assert sandbox.json("status")["engine"] == "docker"
    rows = {row["check"]: row["detail"] for row in sandbox.json("doctor")}
    assert rows["container engine"].startswith("docker: ")


def test_other_engine_is_refused_while_the_sandbox_runs(sandbox: Command) -> None:
    done = sandbox("up", "--engine", "process", check=False)
    assert done.returncode == 2
    assert "SANDBOX_ENGINE is docker there, process here" in done.stderr
    sandbox("up", "--engine", "auto")


def test_task_asks_aws_who_it_is(ecs: EcsTestClient, sandbox: Command) -> None:
    app = {"logConfiguration": LOGS, "entryPoint": [PYTHON, "-c"], "command": [WHO_AM_I]}
    task = ecs.run_to_its_end(app)
    assert task["containers"][0]["exitCode"] == 0, task
    assert "<Account>000000000000</Account>" in "".join(logged(sandbox, task["taskArn"]))


def test_task_over_its_memory_says_so(ecs: EcsTestClient) -> None:
    greedy = {"entryPoint": [PYTHON, "-c"], "command": ["x = bytearray(900 << 20)"]}
    task = ecs.run_to_its_end(greedy)
    (container,) = task["containers"]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert task["stoppedReason"] == "Essential container in task exited"


def logged(sandbox: Command, task_arn: str) -> list[str]:
    logs = boto_client(sandbox, "logs")
    stream = f"app/app/{task_arn.rpartition('/')[2]}"
    found = logs.get_log_events(logGroupName="/whole/app", logStreamName=stream)
    return [str(event["message"]) for event in found["events"]]


def test_dependency_starts_after_its_condition(ecs: EcsTestClient, sandbox: Command) -> None:
    image = f"{ecs.registry}/second:v1"
    common = {"image": image, "essential": False, "logConfiguration": LOGS}
    first = {**common, "name": "first", "command": [PYTHON, "-c", "print('done')"]}
    app = {
        **common,
        "name": "app",
        "essential": True,
        "command": [PYTHON, "-c", "print('after')"],
        "dependsOn": [{"containerName": "first", "condition": "SUCCESS"}],
    }
    arn = ecs.ecs.register_task_definition(
        family="ordered",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=ecs.role,
        containerDefinitions=[app, first],
    )["taskDefinition"]["taskDefinitionArn"]
    task = ecs.ecs.run_task(
        cluster="c", taskDefinition=arn, launchType="FARGATE", networkConfiguration=ecs.network
    )["tasks"][0]["taskArn"]
    ecs.ecs.get_waiter("tasks_stopped").wait(
        cluster="c", tasks=[task], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    described = ecs.ecs.describe_tasks(cluster="c", tasks=[task])["tasks"][0]
    assert {c["name"]: c["exitCode"] for c in described["containers"]} == {"app": 0, "first": 0}
    logs = boto_client(sandbox, "logs")
    written = [
        logs.get_log_events(
            logGroupName="/whole/app", logStreamName=f"app/{name}/{task.rpartition('/')[2]}"
        )["events"][0]["timestamp"]
        for name in ("first", "app")
    ]
    assert written == sorted(written)


def test_killed_gateway_adopts_its_containers(service: Service) -> None:
    sandbox = service.sandbox
    before, tasks = containers(str(sandbox.home)), service.tasks()
    pid = sandbox.pids()["aws"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: sandbox.pids()["aws"] not in {0, pid}, "aws is started again")
    sandbox("up", "--timeout", "300")
    service.stable()
    assert service.tasks() == tasks
    assert containers(str(sandbox.home)) == before
    service.ask()


def test_down_stops_containers_and_up_replaces_them(service: Service) -> None:
    sandbox = service.sandbox
    sandbox("down")
    client = require_engine()
    own = {"label": [f"sandbox.home={sandbox.home}"]}
    assert client.containers(filters=own) == []
    client.close()
    sandbox("up", "--timeout", "300")
    assert json.loads(sandbox("status", "--json").stdout)["engine"] == "docker"
    service.stable()
    service.ask()
