"""Bad input: each message says what, where and how to mend it; the sandbox stays usable.

Everything goes through the real `sandbox` command and its exit codes: 1 refused, 2 usage,
3 the machine lacks something, 4 not ready.
"""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ecs_client import EcsTestClient, boto_client, ecs_client
from harness_folder import (
    SCOPE,
    custom_stage,
    pipeline,
    shell_script,
    write_folder,
    write_rolling_deployment,
)
from sandbox_command import PROJECT, Command, own_environment, running_sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    home = tmp_path_factory.mktemp("bad-input") / "state"
    with running_sandbox(home, engine="process", time_scale="10") as command:
        yield command
        command("pipeline", "list")
        command("exec", "--", "aws", "sts", "get-caller-identity")


@pytest.fixture(scope="module")
def ecs(sandbox: Command) -> EcsTestClient:
    return ecs_client(sandbox)


@pytest.fixture
def idle(tmp_path: Path) -> Command:
    """The command with a state directory of its own; nothing is started."""
    home = tmp_path / "state"
    return Command(env=own_environment(home), home=home)


@pytest.fixture(autouse=True)
def still_usable(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the shared sandbox, both halves answer afterwards."""
    yield
    if "sandbox" in request.fixturenames:
        command: Command = request.getfixturevalue("sandbox")
        states = {row["state"] for row in command.json("status")["processes"]}
        assert states == {"RUNNING"}
        boto_client(command, "sts").get_caller_identity()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `harness/` folder with nothing wrong in it yet."""
    return write_folder(tmp_path / "harness", "pipeline")


def refused(command: Command, *arguments: str, code: int) -> str:
    """Run a command that must fail with `code`; return what it said to a person."""
    done = command(*arguments, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_malformed_yaml_names_file_line_and_column(sandbox: Command, folder: Path) -> None:
    (folder / "pipeline" / "ci.yaml").write_text("pipeline:\n  name: a: b\n")
    said = refused(sandbox, "sync", "--folder", str(folder), code=2)
    assert "pipeline/ci.yaml:2:10: this is no valid YAML" in said


def test_lint_of_malformed_yaml_names_the_line(idle: Command, tmp_path: Path) -> None:
    path = tmp_path / "ci.yaml"
    path.write_text("pipeline:\n  name: a: b\n")
    done = idle("pipeline", "lint", str(path), check=False)
    assert done.returncode == 1
    assert f"{path}:2" in done.stdout + done.stderr


def test_lint_of_a_missing_file_names_it(idle: Command, tmp_path: Path) -> None:
    done = idle("pipeline", "lint", str(tmp_path / "absent.yaml"), check=False)
    assert done.returncode in {1, 2}
    assert "absent.yaml" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_step_is_named_with_its_yaml_path(idle: Command, tmp_path: Path) -> None:
    path = tmp_path / "cd.yaml"
    step = {"identifier": "fly", "name": "fly", "type": "FlyToTheMoon", "spec": {}}
    path.write_text(yaml.safe_dump(pipeline("cd", custom_stage(step))))
    done = idle("pipeline", "lint", str(path), check=False)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "FlyToTheMoon" in text
    assert "pipeline.stages" in text.replace("[", ".").replace("/", ".")


def test_unknown_step_is_refused_before_anything_runs(sandbox: Command, folder: Path) -> None:
    step = {"identifier": "fly", "name": "fly", "type": "FlyToTheMoon", "spec": {}}
    path = folder / "pipeline" / "unknown.yaml"
    path.write_text(yaml.safe_dump(pipeline("unknown", custom_stage(step))))
    said = refused(sandbox, "sync", "--folder", str(folder), code=1)
    assert "pipeline/unknown.yaml: Harness refused" in said
    assert "FlyToTheMoon" in said
    assert sandbox.json("pipeline", "list", *SCOPE) == []


def test_folder_without_sync_yaml_is_named(sandbox: Command, tmp_path: Path) -> None:
    said = refused(sandbox, "sync", "--folder", str(tmp_path), code=2)
    assert f"There is no {tmp_path}/sync.yaml" in said
    assert "--folder" in said


def test_unknown_pipeline_is_named(sandbox: Command) -> None:
    assert "nowhere" in refused(sandbox, "pipeline", "run", "nowhere", code=1)


def test_missing_secret_of_a_pipeline_fails_with_its_name(sandbox: Command, folder: Path) -> None:
    path = folder / "pipeline" / "secret.yaml"
    step = shell_script('echo "<+secrets.getValue("nope")>"')
    path.write_text(yaml.safe_dump(pipeline("secret", custom_stage(step))))
    sandbox("sync", "--folder", str(folder))
    done = sandbox("pipeline", "run", "secret", *SCOPE, check=False)
    assert done.returncode == 1
    assert "nope" in done.stdout
    assert "Failed" in done.stdout or "Errored" in done.stdout


def test_missing_secret_of_a_task_stops_it_in_awss_words(ecs: EcsTestClient) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:absent-abcdef"
    task = ecs.run_to_its_end({"secrets": [{"name": "X", "valueFrom": arn}]})
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")
    assert arn in task["stoppedReason"]


def test_missing_parameter_of_a_task_is_named(ecs: EcsTestClient) -> None:
    task = ecs.run_to_its_end({"secrets": [{"name": "X", "valueFrom": "/absent"}]})
    assert task["stoppedReason"].startswith("ResourceInitializationError")
    assert "invalid ssm parameters: /absent" in task["stoppedReason"]


@pytest.mark.parametrize("image", ["absent:v1", "second:absent"], ids=["repository", "tag"])
def test_missing_image_stops_the_task_in_awss_words(ecs: EcsTestClient, image: str) -> None:
    task = ecs.run_to_its_end({"image": f"{ecs.registry}/{image}"})
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError")
    assert f"{ecs.registry}/{image}" in task["stoppedReason"]
    assert "not found" in task["stoppedReason"]


def test_deployment_of_a_missing_image_fails_with_its_reason(
    sandbox: Command, ecs: EcsTestClient, tmp_path: Path
) -> None:
    image = f"{ecs.registry}/second:never-built"
    container = {"name": "app", "image": image, "portMappings": [{"containerPort": 8080}]}
    task = {
        "family": "rolling",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": ecs.role,
        "containerDefinitions": [container],
    }
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    service = {
        "serviceName": "rolling",
        "launchType": "FARGATE",
        "desiredCount": 1,
        "deploymentConfiguration": breaker,
        "networkConfiguration": ecs.network,
    }
    write_rolling_deployment(tmp_path / "harness", task, service)
    sandbox("sync", "--folder", str(tmp_path / "harness"))
    done = sandbox("pipeline", "run", "deploy", *SCOPE, check=False, timeout=300)
    assert done.returncode == 1
    assert "Reason: " in done.stdout
    said = done.stdout[done.stdout.index("Reason: ") :]
    assert "CannotPullContainerError" in said
    assert image in said


def test_image_of_another_registry_says_what_it_needs(ecs: EcsTestClient) -> None:
    task = ecs.run_to_its_end({"image": "nginx:latest"})
    assert "nginx:latest" in task["stoppedReason"]
    assert "needs a container engine" in task["stoppedReason"]


def test_dockerfile_that_needs_an_engine_is_refused_with_its_line(
    sandbox: Command, ecs: EcsTestClient, tmp_path: Path
) -> None:
    del ecs
    (tmp_path / "Dockerfile").write_text("FROM golang:1.22\nRUN go build\nCMD ['x']\n")
    done = sandbox("image", "build", str(tmp_path), "--repo", "second", "--tag", "x", check=False)
    assert done.returncode not in {0, 70}
    assert "needs a container engine" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_image_for_a_missing_repository_names_it(sandbox: Command) -> None:
    app = PROJECT / "tests" / "testdata" / "second_app"
    done = sandbox("image", "build", str(app), "--repo", "absent", "--tag", "x", check=False)
    assert done.returncode not in {0, 70}
    assert "absent" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_api_key_says_which_variable_holds_it(sandbox: Command) -> None:
    wrong = {"HARNESS_PLATFORM_API_KEY": "pat.wrong.wrong.wrong"}
    done = sandbox("pipeline", "list", check=False, env=wrong)
    assert done.returncode == 1
    assert "Harness refused" in done.stderr
    assert "HARNESS_PLATFORM_API_KEY" in done.stderr


def test_nothing_running_says_how_to_start(idle: Command) -> None:
    said = refused(idle, "pipeline", "list", code=4)
    assert "Nothing answers at http://127.0.0.1:" in said
    assert "sandbox up" in said
    assert idle("status", check=False).returncode == 1


def test_certificate_authority_before_the_first_start_says_how_to_get_one(idle: Command) -> None:
    assert "sandbox up" in refused(idle, "ca", code=4)


@pytest.mark.parametrize("name", ["AWS", "HARNESS", "GIT", "PROXY"])
def test_taken_port_names_its_holder_and_the_setting(idle: Command, name: str) -> None:
    setting = f"SANDBOX_{name}_PORT"
    port = int(idle.env[setting])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        said = refused(idle, "up", code=3)
        doctor = idle("doctor", "--json", check=False)
    assert f"Port {port} on 127.0.0.1 (for `{name.lower()}`) is taken by " in said
    assert f"(pid {os.getpid()})" in said
    assert setting in said
    rows = {row["check"]: row for row in json.loads(doctor.stdout)}
    assert doctor.returncode == 3
    assert setting in rows[f"port {port}"]["mend"]
    assert idle("status", check=False).returncode == 1, "nothing was started"


@pytest.fixture(params=["below a file", "in a file system that takes no files"])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "below a file":
        (tmp_path / "file").write_text("")
        return tmp_path / "file" / "state"
    if not Path("/proc/self").exists():
        pytest.skip("this machine has no /proc")
    return Path("/proc/sandbox-state")


def test_unwritable_state_directory_is_named(idle: Command, unwritable: Path) -> None:
    elsewhere = Command(env={**idle.env, "SANDBOX_HOME": str(unwritable)}, home=unwritable)
    for command in (("up",), ("env",), ("exec", "--", "true")):
        said = refused(elsewhere, *command, code=3)
        assert f"The state directory {unwritable} cannot be written" in said
        assert "SANDBOX_HOME" in said
    doctor = elsewhere("doctor", check=False)
    assert doctor.returncode == 3
    assert "state directory" in doctor.stdout


def test_folder_that_is_no_state_directory_is_not_purged(idle: Command, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    elsewhere = Command(env={**idle.env, "SANDBOX_HOME": str(precious)}, home=precious)
    said = refused(elsewhere, "down", "--purge", code=2)
    assert "is not a sandbox state directory; nothing was deleted" in said
    assert (precious / "thesis.txt").exists()


def test_no_terraform_says_where_to_get_it(sandbox: Command, tmp_path: Path) -> None:
    """PATH holds everything but Terraform."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("git", "node", "npm", "curl", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    without = {"PATH": str(tools)}
    doctor = sandbox("doctor", "--json", check=False, env=without)
    rows = {row["check"]: row for row in json.loads(doctor.stdout)}
    assert doctor.returncode == 3
    assert rows["Terraform"]["state"] == "missing"
    assert "Install Terraform" in rows["Terraform"]["mend"]
    done = sandbox("sync", check=False, env=without)
    assert done.returncode == 3
    assert "Neither terraform nor tofu is on PATH" in done.stderr
    assert "Install Terraform" in done.stderr


def test_bad_settings_are_named_all_at_once(idle: Command) -> None:
    bad = {"SANDBOX_AWS_PORT": "http", "SANDBOX_ENGINE": "podman"}
    done = idle("up", check=False, env=bad)
    assert done.returncode == 2
    assert "SANDBOX_AWS_PORT" in done.stderr
    assert "SANDBOX_ENGINE" in done.stderr
    assert not idle.home.exists()


def test_program_that_is_not_there_is_named(idle: Command) -> None:
    said = refused(idle, "exec", "--", "no-such-program", "--json", code=2)
    assert "'no-such-program' cannot be run: No such file or directory" in said


def test_log_of_an_unknown_process_names_the_known_ones(sandbox: Command) -> None:
    said = refused(sandbox, "logs", "nginx", code=2)
    assert "No log named 'nginx'" in said
    assert "aws" in said


def test_other_settings_for_a_running_sandbox_are_refused(sandbox: Command) -> None:
    done = sandbox("up", check=False, env={"SANDBOX_TIME_SCALE": "3"})
    assert done.returncode == 2
    assert "SANDBOX_TIME_SCALE is 10.0 there, 3.0 here" in done.stderr
    assert "sandbox down" in done.stderr


def test_two_commands_do_not_start_the_same_sandbox_at_once(idle: Command) -> None:
    idle.home.mkdir()
    with (idle.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = refused(idle, "down", code=4)
    assert "Another command is just starting or stopping" in said
    idle("down")
