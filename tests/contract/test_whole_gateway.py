"""boto3 waiters and the aws command against a whole sandbox, and after each process's death.

A real image runs behind a real load balancer; nothing is faked.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import harness_folder
import pytest
from ecs_client import EcsTestClient, boto_client, ecs_client
from ecs_service import WAIT, Service
from harness_folder import SCOPE, custom_stage, put, shell_script, write_folder
from patience import eventually
from sandbox_command import Command, running_sandbox

PROCESSES = ("aws", "envoy", "proxy", "harness", "engine", "delegate", "git")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    home = tmp_path_factory.mktemp("whole") / "state"
    with running_sandbox(home, time_scale="10") as command:
        yield command


@pytest.fixture(scope="module")
def ecs(sandbox: Command) -> EcsTestClient:
    boto_client(sandbox, "logs").create_log_group(logGroupName="/whole/app")
    return ecs_client(sandbox)


@pytest.fixture(scope="module")
def service(sandbox: Command, ecs: EcsTestClient) -> Service:
    made = Service(sandbox, ecs)
    made.stable()
    return made


def test_waiters_end_when_the_service_answers(service: Service) -> None:
    assert service.ask()["name"] == "second"
    described = service.ecs.ecs.describe_services(cluster="c", services=["whole"])["services"][0]
    assert (described["runningCount"], described["pendingCount"]) == (2, 0)
    assert [d["rolloutState"] for d in described["deployments"]] == ["COMPLETED"]


def test_aws_command_waits_and_lists(service: Service) -> None:
    aws = ("exec", "--", "aws", "ecs")
    service.sandbox(*aws, "wait", "services-stable", "--cluster", "c", "--services", "whole")
    done = service.sandbox(*aws, "list-tasks", "--cluster", "c", "--output", "json")
    assert set(service.tasks()) <= set(json.loads(done.stdout)["taskArns"])


def test_aws_command_says_what_aws_says_of_a_missing_cluster(service: Service) -> None:
    command = ("exec", "--", "aws", "ecs", "describe-tasks", "--cluster", "no", "--tasks", "x")
    done = service.sandbox(*command, check=False)
    assert done.returncode in {254, 255}, "aws cli v2, v1"
    assert "ClusterNotFoundException" in done.stderr


def test_stopped_task_ends_the_waiter_and_is_replaced(service: Service) -> None:
    victim = service.tasks()[0]
    service.ecs.ecs.stop_task(cluster="c", task=victim, reason="by a person")
    service.ecs.ecs.get_waiter("tasks_stopped").wait(cluster="c", tasks=[victim], WaiterConfig=WAIT)
    stopped = service.ecs.ecs.describe_tasks(cluster="c", tasks=[victim])["tasks"][0]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "by a person")
    service.stable()
    assert victim not in service.tasks()
    assert len(service.tasks()) == 2


def test_new_log_lines_are_followed_as_they_are_written(service: Service) -> None:
    """As `aws logs tail --follow` of the aws cli v2 does it: FilterLogEvents, again and again."""
    logs = boto_client(service.sandbox, "logs")
    since = int(time.time() * 1000)
    mark = f"/follow-{since}"
    url = f"http://{service.dns_name}{mark}"
    service.sandbox("exec", "--", "curl", "--silent", "--fail", url)

    def seen() -> bool:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="/whole/app", startTime=since, filterPattern=f'"{mark}"'
        )
        return any(mark in e["message"] for page in pages for e in page["events"])

    eventually(seen, "the request is in the log group")


@pytest.fixture(scope="module")
def pipeline(sandbox: Command, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline whose script asks the local AWS, from the delegate; and `long`, which lasts."""
    folder = write_folder(tmp_path_factory.mktemp("harness") / "harness", "pipeline")
    for name, script in (
        ("ask", "aws ecs list-clusters --output text"),
        ("long", f"echo $$ > {sandbox.home}/long.pid; sleep 600"),
    ):
        document = harness_folder.pipeline(name, custom_stage(shell_script(script)))
        put(folder, f"pipeline/{name}.yaml", document)
    sandbox("sync", "--folder", str(folder))
    return "ask"


@pytest.fixture(scope="module")
def repository(sandbox: Command, pipeline: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A clone's folder, whose origin is the local Git server (`sync` made the repository)."""
    del pipeline
    urls = sandbox.json("status")["urls"]
    folder = tmp_path_factory.mktemp("clone") / "work"
    remote = f"{urls['Git']}/workshop/harness-workshop.git"
    subprocess.run(["git", "clone", "-q", remote, str(folder)], check=True, capture_output=True)
    return str(folder)


def push(folder: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for command in (
        ("git", *who, "commit", "-q", "--allow-empty", "-m", "Again"),
        ("git", "push", "-q", "origin", "HEAD:main"),
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("name", PROCESSES)
def test_everything_works_after_a_process_was_killed(
    service: Service, pipeline: str, repository: str, name: str
) -> None:
    before = service.tasks()
    answering = {service.ask()["pid"] for _ in range(6)}
    sandbox = service.sandbox
    pid = sandbox.pids()[name]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: sandbox.pids()[name] not in {0, pid}, f"{name} is started again")
    sandbox("up", "--timeout", "300")

    service.stable()
    assert service.tasks() == before, "running tasks are adopted"
    assert {service.ask()["pid"] for _ in range(6)} == answering
    sandbox("pipeline", "run", pipeline, *SCOPE)
    push(repository)


def test_everything_works_after_all_were_killed_at_once(
    service: Service, pipeline: str, repository: str
) -> None:
    """The supervisor too: `up` finds the orphans and starts anew."""
    before = service.tasks()
    sandbox = service.sandbox
    pids = list(sandbox.pids().values())
    supervisor = int((sandbox.home / "supervisor.pid").read_text())
    for pid in (supervisor, *pids[:-2]):  # two are left as orphans
        os.kill(pid, signal.SIGKILL)
    assert sandbox("status", check=False).returncode == 1
    sandbox("up", "--timeout", "300")
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids), "no orphan is left"

    service.stable()
    assert service.tasks() == before
    service.ask()
    sandbox("pipeline", "run", pipeline, *SCOPE)
    push(repository)


def test_down_stops_tasks_and_steps_and_up_brings_the_tasks_back(
    service: Service, pipeline: str
) -> None:
    del pipeline
    sandbox = service.sandbox
    sandbox("pipeline", "run", "long", "--no-wait", *SCOPE)
    step_file = sandbox.home / "long.pid"
    eventually(lambda: step_file.exists() and bool(step_file.read_text()), "the step runs")
    step, task = int(step_file.read_text()), service.ask()["pid"]
    sandbox("down")
    assert not Path(f"/proc/{task}").exists()
    assert not Path(f"/proc/{step}").exists()
    sandbox("up", "--timeout", "300")
    service.stable()
    service.ask()


def test_authority_of_the_sandbox_is_exported(sandbox: Command, tmp_path: Path) -> None:
    path = sandbox("ca").stdout.strip()
    assert Path(path).read_text().startswith("-----BEGIN CERTIFICATE-----")
    sandbox("ca", "--export", str(tmp_path / "ca.pem"))
    assert (tmp_path / "ca.pem").read_text() == Path(path).read_text()
    assert sandbox("ca", "--export", "-").stdout == Path(path).read_text()
    bundle = Path(sandbox("ca", "--bundle").stdout.strip()).read_text()
    assert Path(path).read_text().strip() in bundle


def test_exec_prints_nothing_of_its_own(sandbox: Command) -> None:
    done = sandbox("exec", "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_later_commands_need_only_the_state_directory(sandbox: Command) -> None:
    """The ports were named once, at `sandbox up`."""
    kept = {k: v for k, v in sandbox.env.items() if not k.startswith("SANDBOX_")}
    bare = Command(env={**kept, "SANDBOX_HOME": str(sandbox.home)}, home=sandbox.home)
    assert bare.json("status")["urls"] == sandbox.json("status")["urls"]
    bare("exec", "--", "aws", "sts", "get-caller-identity")
    bare("up", "--timeout", "60")
