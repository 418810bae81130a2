"""From RunTask to RUNNING, on processes and on Docker."""

import json
import select
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Section
from benchmarks.stand import PROJECT, Stand

APP = PROJECT / "tests" / "testdata" / "second_app"
NGINX: dict[str, Any] = {
    "image": "nginx:alpine",
    # A first process that is stopped before it handles signals would be waited for.
    "entryPoint": ["nginx", "-g", "daemon off;"],
    "linuxParameters": {"initProcessEnabled": True},
}
RUNS = 8
_LOOK_S = 0.01
_TIMEOUT_S = 120.0


def measure(stand: Stand, share: float) -> Section:
    """Run single tasks one after the other; the image is on the machine already."""
    runs = max(2, int(RUNS * share))
    stand.client("ecr").create_repository(repositoryName="bench")
    stand.command("image", "build", str(APP), "--repo", "bench", "--tag", "v1")
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/bench:v1"
    rows = [("process, a Python service", *_row(stand, {"image": image}, runs))]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Stand(Path(folder), engine="docker") as other,
        ):
            rows.append(("docker, nginx", *_row(other, NGINX, runs)))
    except RuntimeError as error:  # no engine answers, or it does not have the image
        rows.append(("docker, nginx", "-", str(error).strip().splitlines()[0]))
    about = "One container of 0.25 vCPU and 512 MB; the median of single tasks, one at a time."
    return Section(
        "Task start", about, ("runtime", "RunTask to RUNNING", "StopTask to STOPPED"), rows
    )


def _row(stand: Stand, container: dict[str, Any], runs: int) -> tuple[str, str]:
    network = _prepare(stand, container)
    ecs = stand.client("ecs")
    starts, stops = [], []
    for _ in range(runs + 1):
        begun = time.monotonic()
        task = ecs.run_task(taskDefinition="bench", launchType="FARGATE", **network)["tasks"][0]
        _await(ecs, task["taskArn"], "RUNNING")
        starts.append(time.monotonic() - begun)
        begun = time.monotonic()
        ecs.stop_task(task=task["taskArn"])
        _await(ecs, task["taskArn"], "STOPPED")
        stops.append(time.monotonic() - begun)
    # The first one fetches the image.
    return f"{statistics.median(starts[1:]):.2f} s", f"{statistics.median(stops[1:]):.2f} s"


def _prepare(stand: Stand, container: dict[str, Any]) -> dict[str, Any]:
    ecs, ec2, iam = (stand.client(name) for name in ("ecs", "ec2", "iam"))
    ecs.create_cluster(clusterName="default")
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]}
    role = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(trust))
    ecs.register_task_definition(
        family="bench",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=role["Role"]["Arn"],
        containerDefinitions=[{"name": "app", "essential": True, **container}],
    )
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    wanted = {"subnets": [subnet], "assignPublicIp": "ENABLED"}
    return {"networkConfiguration": {"awsvpcConfiguration": wanted}}


def _await(ecs: Any, task_arn: str, status: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        task = ecs.describe_tasks(tasks=[task_arn])["tasks"][0]
        if task["lastStatus"] == status:
            return
        if task["lastStatus"] == "STOPPED":
            raise RuntimeError(task["stoppedReason"])
        select.select([], [], [], _LOOK_S)
    raise RuntimeError(f"{task_arn} is not {status} in {_TIMEOUT_S:.0f} s")
