"""Steps that name an image: they run in it, on the engine, and leave nothing there."""

import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest
from container_engine import FILE, need_engine, need_image, write_files
from delegate_manager import Delegate, FakeManager, delegate_before_manager
from ecr_server import serve
from patience import eventually

from fake_harness.delegate.containers.engine import STAGE_LABEL, TASK_LABEL
from sandbox.leftovers import end_steps

IMAGE = "python:3.11-slim"


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    need_image(IMAGE)
    return need_engine()


@pytest.fixture(scope="module")
def pair(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FakeManager, Delegate]]:
    folder = tmp_path_factory.mktemp("one")
    with delegate_before_manager(folder, {"FAKE_HARNESS_CONTAINERS": "docker"}) as made:
        yield made


@pytest.fixture
def manager(pair: tuple[FakeManager, Delegate]) -> FakeManager:
    return pair[0]


@pytest.fixture
def delegate(pair: tuple[FakeManager, Delegate]) -> Delegate:
    return pair[1]


@pytest.fixture
def task() -> str:
    """A task of this test's own: the engine is shared."""
    return f"task-{uuid.uuid4().hex[:12]}"


def run(
    manager: FakeManager,
    task: str,
    command: str,
    *,
    package: Mapping[str, object] | None = None,
    kind: str = "Run",
    **params: object,
) -> None:
    own = {"workspaceId": f"stage-{task}", "stepIdentifier": "tests", **(package or {})}
    with manager.lock:
        manager.add(task, kind, params={"image": IMAGE, "command": command, **params})
        manager.tasks[task] |= own


def containers(engine: docker.DockerClient, task: str) -> list[object]:
    return list(
        engine.containers.list(
            all=True, filters={"label": f"{TASK_LABEL}={task}"}, ignore_removed=True
        )
    )


def networks(engine: docker.DockerClient, stage: str) -> list[object]:
    return list(engine.networks.list(filters={"label": f"{STAGE_LABEL}={stage}"}))


def test_a_command_runs_in_its_image_with_the_workspace_and_leaves_outputs_and_reports(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    command = """\
pwd
echo "python $(python3 -c 'import sys; print(sys.version_info[:2])')"
echo "$HARNESS_WORKSPACE $WORD $CI"
echo '<testsuite tests="3" failures="1" time="0.5"/>' > report.xml
export VERSION=1.2
echo FROM_FILE=yes >> "$HARNESS_OUTPUT_FILE"
"""
    run(
        manager,
        task,
        command,
        package={"env": {"CI": "true", "HARNESS_WORKSPACE": "/harness"}},
        envVariables={"WORD": "hello"},
        outputVariables=[{"name": "VERSION"}],
        reports={"type": "JUnit", "spec": {"paths": ["*.xml"]}},
    )
    result = manager.result(task)
    assert result["status"] == "SUCCEEDED", manager.lines(task, "")
    assert result["outputVariables"] == {"VERSION": "1.2", "FROM_FILE": "yes"}
    assert result["outputs"]["testReport"]["failures"] == 1
    assert manager.lines(task, "")[:4] == [
        f"Running in a container of {IMAGE}",
        "/harness",
        "python (3, 11)",
        "/harness hello true",
    ]
    assert containers(engine, task) == networks(engine, f"stage-{task}") == []


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("Sh", "export WORD=sh"),
        ("Bash", "words=(a bash); export WORD=${words[1]}"),
        ("Python", "WORD = 'py' + 'thon'"),
    ],
)
def test_each_shell_gives_its_outputs(
    manager: FakeManager, delegate: Delegate, task: str, shell: str, command: str
) -> None:
    run(manager, task, command, shell=shell, outputVariables=[{"name": "WORD"}])
    result = manager.result(task)
    assert result["outputVariables"] == {"WORD": shell.lower()}, manager.lines(task, "")


def test_files_go_from_a_step_in_a_container_to_the_next_and_keep_their_place_on_the_host(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    stage = f"stage-{task}"
    run(manager, task, "echo one > file")
    assert manager.result(task)["status"] == "SUCCEEDED"
    host = (delegate.folder / "workspaces" / stage).resolve()
    assert (host / "file").read_text() == "one\n"
    run(manager, f"{task}-2", f"cat {host}/file", package={"workspaceId": stage}, runAsUser="1000")
    assert manager.result(f"{task}-2")["status"] == "SUCCEEDED"
    assert "one" in manager.lines(f"{task}-2", "")


def test_a_failed_command_names_its_exit_code_and_its_last_line(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    run(manager, task, "echo before; sh -c 'exit 3'; echo after")
    result = manager.result(task)
    assert result["status"] == "FAILED"
    assert result["failure"]["message"] == "Command exited with code 3: before"


def test_secrets_reach_the_container_and_never_the_log(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    marker = '${ngSecretManager.obtain("account.token", 0)}'
    run(
        manager,
        task,
        'echo "it is $TOKEN, ${#TOKEN}"',
        package={"secrets": {marker: "open-sesame-1"}},
        envVariables={"TOKEN": marker},
    )
    manager.result(task)
    assert manager.lines(task, "")[1:] == ["it is **************, 13"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image": "sandbox-test/absent:1", "imagePullPolicy": "Never"}, "may not be pulled"),
        ({"image": "127.0.0.1:1/absent:1"}, "its registry does not give it"),
        ({"shell": "Bash", "image": "sandbox-test/absent:1"}, "sandbox-test/absent:1"),
        ({"resources": {"limits": {"memory": "lots"}}}, "[lots] is no quantity"),
        ({"runAsUser": "nobody-here"}, "The container engine refuses"),
    ],
)
def test_what_keeps_a_container_from_running_is_named(
    manager: FakeManager,
    delegate: Delegate,
    engine: docker.DockerClient,
    task: str,
    params: Mapping[str, object],
    message: str,
) -> None:
    run(manager, task, "true", **params)
    result = manager.result(task)
    assert result["status"] == "FAILED"
    assert message in result["failure"]["message"]
    assert containers(engine, task) == networks(engine, f"stage-{task}") == []


def test_memory_is_a_limit(manager: FakeManager, delegate: Delegate, task: str) -> None:
    run(
        manager,
        task,
        "x = 'x' * 200_000_000",
        shell="Python",
        resources={"limits": {"memory": "64Mi", "cpu": "500m"}},
    )
    result = manager.result(task)
    assert result["failure"]["message"].startswith("The container ran out of memory (limit 64Mi)")


def test_an_abort_removes_the_container_and_its_network(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    run(manager, task, "echo up; sleep 600")
    eventually(lambda: "up" in manager.lines(task, ""), "the container runs")
    manager.aborts.add(task)
    assert manager.result(task)["status"] == "ABORTED"
    assert containers(engine, task) == networks(engine, f"stage-{task}") == []


def test_a_killed_delegate_finds_the_container_still_running(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    run(manager, task, "echo run >> runs; until [ -e go ]; do sleep 0.1; done; cat runs")
    workspace = delegate.folder / "workspaces" / f"stage-{task}"
    eventually((workspace / "runs").exists, "the command runs")
    delegate.kill()
    delegate.start()
    assert len(containers(engine, task)) == 1
    (workspace / "go").touch()
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert manager.lines(task, "")[1:] == ["run"]


def test_a_container_does_not_survive_the_death_of_its_steps_process(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    run(manager, task, "echo up; sleep 600")
    eventually(lambda: "up" in manager.lines(task, ""), "the container runs")
    os.killpg(delegate.step_pid(task), 9)
    assert manager.result(task)["status"] == "ERRORED"
    eventually(lambda: not containers(engine, task), "the container is gone")
    eventually(lambda: not networks(engine, f"stage-{task}"), "the network is gone")


def test_sandbox_down_removes_what_a_killed_step_and_a_dead_delegate_left(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    run(manager, task, "echo up; sleep 600")
    eventually(lambda: "up" in manager.lines(task, ""), "the container runs")
    delegate.kill()
    os.killpg(delegate.step_pid(task), 9)
    assert len(containers(engine, task)) == 1
    end_steps(delegate.folder)
    assert containers(engine, task) == networks(engine, f"stage-{task}") == []
    delegate.start()
    assert manager.result(task)["status"] == "ERRORED"


def background(manager: FakeManager, task: str, stage: str, **params: object) -> None:
    """Start a web server `db` for a stage, and wait until the step counts as done."""
    package = {"workspaceId": stage, "stepIdentifier": "db"}
    run(manager, task, params.pop("command", ""), package=package, kind="Background", **params)
    eventually(lambda: manager.progress.get(task) or manager.results.get(task), "it has started")


FETCH = """\
for attempt in $(seq 50); do
  python3 -c 'import urllib.request as u; print(u.urlopen("http://{}").read().decode())' && exit 0
  sleep 0.2
done 2>/dev/null
exit 1
"""


def test_a_background_step_is_reached_by_its_identifier_until_its_stage_ends(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    stage, reader = f"stage-{task}", f"{task}-reader"
    command = 'echo hello > index.html; exec python3 -m http.server "$PORT"'
    background(manager, task, stage, command=command, envVariables={"PORT": "5432"})
    assert manager.progress[task][-1]["detached"] is True
    run(manager, reader, FETCH.format("db:5432"), package={"workspaceId": stage})
    assert manager.result(reader)["status"] == "SUCCEEDED", manager.lines(reader, "")
    assert "hello" in manager.lines(reader, "")
    eventually(lambda: "GET / HTTP" in str(manager.lines(task, "")), "its log goes on")
    assert task not in manager.results
    manager.aborts.add(task)  # as the engine does at the end of the stage
    assert manager.result(task)["status"] == "ABORTED"
    assert containers(engine, task) == networks(engine, stage) == []


def test_a_background_step_may_run_its_images_own_command_and_publish_a_port(
    manager: FakeManager, delegate: Delegate, engine: docker.DockerClient, task: str
) -> None:
    entry = ["python3", "-c", "print('own')"]
    background(manager, task, f"stage-{task}", entrypoint=entry, portBindings={"0": "80"})
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert manager.lines(task, "")[1:] == ["own", "Ended with exit code 0"]


def test_a_background_step_that_cannot_start_fails(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    image = {"image": "sandbox-test/absent:1", "imagePullPolicy": "Never"}
    background(manager, task, f"stage-{task}", **image)
    assert manager.result(task)["status"] == "FAILED"


def test_a_background_step_without_an_image_runs_on_the_host_and_ends_with_its_stage(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    background(manager, task, f"stage-{task}", image="", command="echo $$ > pid; sleep 600")
    pid_file = delegate.folder / "workspaces" / f"stage-{task}" / "pid"
    eventually(lambda: pid_file.exists() and pid_file.read_text(), "the command runs")
    manager.aborts.add(task)
    assert manager.result(task)["status"] == "ABORTED"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_container_reaches_the_delegates_aws_on_the_hosts_loopback(
    engine: docker.DockerClient, task: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    manager = FakeManager()
    manager.start()
    folder = tmp_path_factory.mktemp("aws") / "delegate"
    folder.mkdir()
    delegate = Delegate(
        manager=manager,
        folder=folder,
        environment={"FAKE_HARNESS_CONTAINERS": "docker", "AWS_ENDPOINT_URL": manager.url},
    )
    delegate.start()
    try:
        text = "import os, urllib.request as u; u.urlopen(os.environ['AWS_ENDPOINT_URL'])"
        run(manager, task, text, shell="Python")
        # The manager stands for AWS; it lets nobody in who has no token.
        assert "HTTP Error 401" in manager.result(task)["failure"]["message"]
    finally:
        delegate.stop()
        delegate.end_steps()
        manager.stop()


@pytest.mark.parametrize("spelling", ["as AWS names it", "repositoryUri"])
def test_an_image_of_ecr_is_pulled_with_the_delegates_credentials(
    engine: docker.DockerClient, task: str, tmp_path: Path, spelling: str
) -> None:
    ecr = serve(tmp_path / "ecr")
    ecr.client().create_repository(repositoryName="tool")
    uri = f"{ecr.image_host()}/tool:{task}"
    context = write_files(tmp_path / "tool", {**FILE, "file": task})
    engine.images.build(path=str(context), tag=uri, rm=True)
    engine.images.push(uri, auth_config={"username": "AWS", "password": ecr.plane.password()})
    engine.api.remove_image(uri, force=True)
    manager = FakeManager()
    manager.start()
    (tmp_path / "delegate").mkdir()
    environment = {
        "FAKE_HARNESS_CONTAINERS": "docker",
        "AWS_ENDPOINT_URL": ecr.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    delegate = Delegate(manager=manager, folder=tmp_path / "delegate", environment=environment)
    delegate.start()
    try:
        image = uri if spelling == "repositoryUri" else uri.removeprefix(f"{ecr.host}/")
        run(manager, task, "true", image=image)
        # The image has no shell: that this is found out shows that the engine has the image.
        assert "exec sh failed" in manager.result(task)["failure"]["message"]
        assert f"Pulling {uri}" in manager.lines(task, "")
    finally:
        delegate.stop()
        delegate.end_steps()
        manager.stop()
        ecr.stop()
        engine.api.remove_image(uri, force=True)


def test_without_an_engine_a_run_step_goes_on_to_the_host_and_a_background_step_refuses(
    task: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    manager = FakeManager()
    manager.start()
    folder = tmp_path_factory.mktemp("host") / "delegate"
    folder.mkdir()
    delegate = Delegate(manager=manager, folder=folder)
    delegate.start()
    try:
        run(manager, task, "echo on the host")
        background(manager, f"{task}-db", f"stage-{task}")
        assert manager.result(task)["status"] == "SUCCEEDED"
        assert manager.lines(task, "") == [
            f"No container engine: the command runs on the delegate's host, not in {IMAGE}.",
            "on the host",
        ]
        message = manager.result(f"{task}-db")["failure"]["message"]
        assert f"Background step [db] needs a container engine for image [{IMAGE}]" in message
    finally:
        delegate.stop()
        delegate.end_steps()
        manager.stop()
