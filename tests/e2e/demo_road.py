"""The whole road, once more for each engine: from `git push` to a canary in production, and back.

The tests run in order and share the sandbox of their module.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sandbox_command import PROJECT, Command

PLANNED = [10.0, 25.0, 50.0, 100.0]


# The first test waits for a whole demo, beside another engine's.
@pytest.mark.timeout(1800)
class DemoRoad:
    """What the demo and its rollback promise; a subclass in a module with `ENGINE` runs it."""

    def test_demo_runs_on_the_engine_that_was_asked_for(
        self, sandbox: Command, engine: str, demo: dict[str, Any]
    ) -> None:
        assert sandbox.json("status")["engine"] == engine
        assert demo["failures"] == 0

    def test_demo_loses_no_request_and_splits_as_planned(self, demo: dict[str, Any]) -> None:
        assert demo["failures"] == 0
        assert demo["requests"] >= 2000
        assert [split["planned"] for split in demo["splits"]] == PLANNED
        for split in demo["splits"]:
            assert split["requests"] >= 2000, split
            assert abs(split["measured"] - split["planned"]) <= 3, split

    def test_demo_runs_every_stage_to_success(self, demo: dict[str, Any]) -> None:
        assert {e["pipeline"] for e in demo["executions"]} == {"workshop_ci", "workshop_cd"}
        assert {e["status"] for e in demo["executions"]} == {"Success"}
        stages = {s["type"] for e in demo["executions"] for s in e["stages"]}
        assert stages == {"CI", "Deployment", "Approval", "Pipeline"}

    def test_prod_ends_on_the_new_version(self, demo: dict[str, Any]) -> None:
        assert demo["last_version"] == demo["commit"]

    def test_load_balancer_answers_by_its_dns_name(
        self, sandbox: Command, demo: dict[str, Any]
    ) -> None:
        curl = ("curl", "--silent", "--insecure", f"{demo['urls']['prod']}/api/health")
        answer = json.loads(sandbox("exec", "--", *curl).stdout)
        assert answer["version"] == demo["commit"]

    def test_broken_release_stops_at_ten_percent_and_is_rolled_back(
        self,
        rollback: dict[str, Any],
    ) -> None:
        assert rollback["failures"] == 0
        assert [split["planned"] for split in rollback["splits"]] == [10.0]
        deployment = rollback["executions"][-1]
        assert deployment["pipeline"] == "workshop_cd"
        assert deployment["status"] == "Failed"
        assert "Health gate failed at weight 10" in deployment["reason"]

    def test_prod_answers_with_the_old_version_after_the_rollback(
        self, demo: dict[str, Any], rollback: dict[str, Any]
    ) -> None:
        assert rollback["last_version"] == demo["commit"]
        assert rollback["commit"] != demo["commit"]

    def test_plan_is_still_empty_after_the_gateway_was_killed(
        self, sandbox: Command, rollback: dict[str, Any]
    ) -> None:
        """Every acknowledged write is durable: kill -9 of the gateway, then plan."""
        del rollback
        status = sandbox.json("status")
        processes = {row["name"]: row for row in status["processes"]}  # type: ignore[attr-defined]
        before = _running_tasks(sandbox)
        subprocess.run(["kill", "-9", str(processes["aws"]["pid"])], check=True)
        sandbox("up", "--timeout", "60")
        assert _running_tasks(sandbox) == before, "running tasks are adopted"
        folder = sandbox.home / "demo" / "infra" / "environments" / "prod"
        data = sandbox.home / "demo" / "terraform" / "prod"
        plan = ("terraform", f"-chdir={folder}", "plan", "-detailed-exitcode", "-input=false")
        done = sandbox("exec", "--", "env", f"TF_DATA_DIR={data}", *plan, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_infrastructure_is_destroyed_whole(
        self, sandbox: Command, rollback: dict[str, Any]
    ) -> None:
        """What Harness made goes first, as on AWS: a cluster with services cannot be deleted."""
        del rollback
        for stage in ("dev", "prod"):
            _delete_services(sandbox, f"harness-workshop-{stage}")
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda stage: _destroy(sandbox, stage), ("dev", "prod")))
        assert [d.returncode for d in done] == [0, 0], "\n".join(d.stdout + d.stderr for d in done)

    def test_project_tree_is_untouched_by_the_demo(self, rollback: dict[str, Any]) -> None:
        del rollback
        done = subprocess.run(
            ["git", "status", "--porcelain", "infra", "harness", "apps"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == ""


def _running_tasks(sandbox: Command) -> list[str]:
    command = ("aws", "ecs", "list-tasks", "--cluster", "harness-workshop-prod", "--output", "json")
    done = sandbox("exec", "--", *command)
    return sorted(json.loads(done.stdout)["taskArns"])


def _delete_services(sandbox: Command, cluster: str) -> None:
    aws = ("exec", "--", "aws", "ecs")
    listed = sandbox(*aws, "list-services", "--cluster", cluster, "--output", "json")
    services = json.loads(listed.stdout)["serviceArns"]
    for service in services:
        sandbox(*aws, "delete-service", "--force", "--cluster", cluster, "--service", service)
    if services:
        wait = ("wait", "services-inactive", "--cluster", cluster, "--services", *services)
        sandbox(*aws, *wait)


def _destroy(sandbox: Command, stage: str) -> subprocess.CompletedProcess[str]:
    folder = sandbox.home / "demo" / "infra" / "environments" / stage
    data = sandbox.home / "demo" / "terraform" / stage
    terraform = ("terraform", f"-chdir={folder}", "destroy", "-auto-approve", "-no-color")
    return sandbox("exec", "--", "env", f"TF_DATA_DIR={data}", *terraform, check=False)
