"""From RunTask to RUNNING, on processes and on Docker."""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Section
from benchmarks.stand import PROJECT, Stand, until

APP = PROJECT / "tests" / "testdata" / "second_app"
NGINX: dict[str, Any] = {
    "image": "nginx:alpine",
    # A first process that is stopped before it handles signals would be waited for.
    "entryPoint": ["nginx", "-g", "daemon off;"],
    "linuxParameters": {"initProcessEnabled": True},
}
RUNS = 8
_TIMEOUT_S = 120.0


def measure(stand: Stand, share: float) -> Section:
    """Run single tasks one after the other; the image is on the machine already."""
    runs = max(2, int(RUNS * share))
    stand.client("ecr").create_repository(repositoryName="bench")
    stand.command("image", "build", str(APP), "--repo", "bench", "--tag", "v1")
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/bench:v1"
    process = _medians(stand, {"image": image}, runs)
    rows = [("process, a Python service", *_shown(process, process))]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Stand(Path(folder), engine="docker") as other,
        ):
            rows.append(("docker, nginx", *_shown(_medians(other, NGINX, runs), process)))
    except RuntimeError as error:  # no engine answers, or it does not have the image
        reason = f"not measured: {str(error).strip().splitlines()[0]}"
        rows.append(("docker, nginx", reason, "-", "-", "-"))
    about = "One container of 0.25 vCPU and 512 MB; the median, one at a time. Ratio: to a process."
    columns = ("runtime", "RunTask to RUNNING", "ratio", "StopTask to STOPPED", "ratio")
    return Section("Task start", about, columns, rows)


def _shown(found: tuple[float, float], base: tuple[float, float]) -> list[str]:
    pairs = zip(found, base, strict=True)
    return [text for one, other in pairs for text in (f"{one:.2f} s", f"{one / other:.1f}")]


def _medians(stand: Stand, container: dict[str, Any], runs: int) -> tuple[float, float]:
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
    return statistics.median(starts[1:]), statistics.median(stops[1:])


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
    def is_there() -> bool:
        task = ecs.describe_tasks(tasks=[task_arn])["tasks"][0]
        if task["lastStatus"] == "STOPPED" != status:
            raise RuntimeError(task["stoppedReason"])
        return bool(task["lastStatus"] == status)

    until(is_there, within_s=_TIMEOUT_S, what=f"{task_arn} is {status}")
