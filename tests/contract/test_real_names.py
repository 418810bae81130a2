"""The switch to real accounts, proven without one, for the project's own `infra/` and `harness/`.

Terraform, the delegate and `sandbox sync` run with target `aws` in a network where AWS's,
Harness's and GitHub's own host names, over TLS, lead to a second sandbox. No variable names an
endpoint and no file of the project is changed. Tests run in order.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from real_names import (
    ACCOUNT,
    HARNESS_ACCOUNT,
    OTHER_REGION,
    REGION,
    Place,
    RealNames,
    real_names,
    why_not,
)
from real_names_world import REGISTRIES
from sandbox_command import PROGRAM, PROJECT

from sandbox.demo.workshop import Workshop
from sandbox.stack import tool_path
from sandbox.terraform import write_cli_config

DOMAIN = "road.example.net"
STAGES = ("dev", "prod")
STATE_BUCKET = f"harness-workshop-tfstate-{ACCOUNT}"
REPOSITORY = "https://github.com/workshop/harness-workshop"
CONSENT = ("--yes", "--account", ACCOUNT)
HARNESS_CONSENT = ("--yes", "--account", HARNESS_ACCOUNT)
REFUSED = BLOCKED = 1
_SKIPPED = why_not()

pytestmark = [
    pytest.mark.skipif(bool(_SKIPPED), reason=_SKIPPED or "possible here"),
    pytest.mark.skipif(
        shutil.which("terraform") is None and shutil.which("tofu") is None,
        reason="neither terraform nor tofu is on PATH",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Road:
    """What a person has in the client's network: a clone of the project, and a shell."""

    networks: RealNames
    folder: Path
    project: Path
    shell: Place

    def exec(self, *command: str, consent: bool = False) -> str:
        """Run a command as the switch points it."""
        flags = CONSENT if consent else ()
        return self.shell.sandbox("exec", *flags, "--", *command)

    def terraform(self, module: str, command: str, *arguments: str, consent: bool = False) -> str:
        program = Path(shutil.which("terraform") or "tofu").name
        chdir = f"-chdir={self.project / 'infra' / module}"
        return self.exec(program, chdir, command, "-no-color", *arguments, consent=consent)

    def init(self, stage: str) -> None:
        """Initialise an environment as the README of `infra/` says for a real account."""
        backend = ("backend.hcl", f"bucket={STATE_BUCKET}")
        settings = (f"-backend-config={value}" for value in backend)
        self.terraform(f"environments/{stage}", "init", "-input=false", *settings)

    def outputs(self, stage: str) -> dict[str, str]:
        answer = json.loads(self.terraform(f"environments/{stage}", "output", "-json"))
        found: dict[str, str] = answer["harness_variables"]["value"]
        return found

    def git(self, *arguments: str) -> str:
        person = ("-c", "user.name=Ann", "-c", "user.email=ann@example.net")
        return self.shell.must("git", "-C", str(self.project), *person, *arguments)

    def executions(self, pipeline: str) -> list[dict[str, Any]]:
        command = ("pipeline", "list", "--json", "--pipeline", pipeline)
        found: list[dict[str, Any]] = json.loads(self.shell.sandbox(*command))
        return found


def workshop_variables(world: Place) -> dict[str, str]:
    """Return what a person says of the workshop; the domain was registered long ago."""
    zone = world.sandbox(
        *("exec", "--", "aws", "route53", "create-hosted-zone", "--output=json"),
        *("--name", DOMAIN, "--caller-reference", "registered long ago"),
    )
    return {
        "TF_VAR_name_suffix": ACCOUNT,
        "TF_VAR_domain": DOMAIN,
        "TF_VAR_hosted_zone_id": json.loads(zone)["HostedZone"]["Id"].rpartition("/")[2],
        "GIT_URL": REPOSITORY,
        "GIT_TOKEN": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "GIT_WEBHOOK_SECRET": "webhook secret of the road",
        "CI_AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7THEBUILD",
        "CI_AWS_SECRET_ACCESS_KEY": "bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENGa",
    }


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("real-names")
    project = folder / "harness-workshop"
    Workshop(PROJECT, project, git_url="https://github.com", env=os.environ).prepare()
    config = write_cli_config(folder, None, folder / "no.terraformrc")
    with real_names(folder / "networks") as networks:
        variables = {**networks.client.env, **workshop_variables(networks.world)}
        variables["PATH"] = tool_path(networks.client.env)
        if config:
            variables["TF_CLI_CONFIG_FILE"] = str(config)
        shell = Place(namespace=networks.client.namespace, env=variables)
        shell.sandbox("use", "aws")
        made = Road(networks=networks, folder=folder, project=project, shell=shell)
        made.git("add", "-A")
        made.git("commit", "-q", "-m", "The workshop")
        yield made


@pytest.fixture
def delegate(road: Road) -> Iterator[subprocess.Popen[bytes]]:
    """A delegate of the account, started as its install guide says.

    It speaks to Harness for as long as it lives, so it does not outlive its test.
    """
    variables = {
        "ACCOUNT_ID": HARNESS_ACCOUNT,
        "DELEGATE_TOKEN": "0" * 32,
        "MANAGER_HOST_AND_PORT": "https://app.harness.io",
        "DELEGATE_NAME": "client",
        "FAKE_HARNESS_DELEGATE_WORK_DIR": str(road.folder / "delegate"),
        "FAKE_HARNESS_IMAGE_BUILDER": f"{sys.executable} -W ignore -m sandbox.aws.builder",
        "FAKE_HARNESS_TIME_SCALE": "10",
    }
    agent = (sys.executable, "-W", "ignore", "-m", "fake_harness.delegate_main")
    command = road.shell.command(str(PROGRAM), "exec", *CONSENT, "--", *agent)
    with (road.folder / "delegate.log").open("w") as log:
        process = subprocess.Popen(
            command, env={**road.shell.env, **variables}, stdout=log, stderr=log, cwd=PROJECT
        )
        yield process
        process.terminate()
        process.wait(timeout=30)


def test_switch_leaves_no_variable_that_points_anywhere(road: Road) -> None:
    seen = dict(row.partition("=")[::2] for row in road.exec("printenv").splitlines() if "=" in row)
    pointing = ("AWS_ENDPOINT", "HARNESS_ENDPOINT", "HTTP", "http", "ALL_PROXY")
    assert [name for name in seen if name.startswith(pointing)] == []
    assert "127.0.0.1" not in " ".join(v for k, v in seen.items() if k.startswith(("AWS", "HARN")))


def test_caller_is_the_account_behind_the_names(road: Road) -> None:
    answer = json.loads(road.exec("aws", "sts", "get-caller-identity", "--output", "json"))
    assert answer["Account"] == ACCOUNT


@pytest.mark.parametrize("flags", [(), ("--yes",), ("--yes", "--account", "210987654321")])
def test_apply_without_consent_is_refused_and_names_the_account(
    road: Road, flags: tuple[str, ...]
) -> None:
    command = ("exec", *flags, "--", "terraform", "apply")
    done = road.shell.run(str(PROGRAM), *command)
    assert done.returncode == REFUSED
    assert f"AWS account {ACCOUNT}" in done.stderr
    assert REGION in done.stderr


def test_profile_and_region_of_the_switch_are_what_the_tools_use(
    road: Road, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    keys = "aws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = other"
    config.write_text(f"[profile work]\nregion = {OTHER_REGION}\n{keys}\n")
    env = {"AWS_CONFIG_FILE": str(config), "SANDBOX_HOME": str(tmp_path / "home")}
    other = Place(namespace=road.shell.namespace, env={**road.shell.env, **env})
    other.sandbox("use", "aws", "--profile", "work", "--region", OTHER_REGION)
    done = other.run(str(PROGRAM), "exec", "--", "terraform", "apply")
    assert f"{OTHER_REGION})" in done.stderr
    listed = other.sandbox("exec", "--", "aws", "configure", "list")
    assert "work" in listed
    assert "shared-credentials-file" in listed or "config-file" in listed
    assert " env " not in next(row for row in listed.splitlines() if "access_key" in row)
    other.sandbox("exec", "--", "aws", "ecs", "list-clusters")
    assert f"ecs.{OTHER_REGION}.amazonaws.com" in road.networks.names()


def test_state_bucket_is_made_as_the_readme_says(road: Road) -> None:
    road.terraform("bootstrap", "init", "-input=false")
    road.terraform("bootstrap", "apply", "-input=false", "-auto-approve", consent=True)
    said = road.terraform("bootstrap", "output", "-raw", "state_bucket")
    assert said == STATE_BUCKET


def preflight(road: Road) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the preflight for dev; return its exit code and its lines by their check."""
    place = ("--infra", str(road.project / "infra"), "--folder", str(road.project / "harness"))
    command = ("preflight", "aws", *place, "--plan", str(road.folder / "plan.json"), "--json")
    done = road.shell.run(str(PROGRAM), *command)
    assert done.returncode in {0, BLOCKED}, done.stderr
    return done.returncode, {row["check"]: row for row in json.loads(done.stdout)}


def test_preflight_finds_only_the_delegate_missing(road: Road) -> None:
    road.init("dev")
    road.terraform("environments/dev", "plan", "-input=false", "-out=tfplan")
    plan = road.terraform("environments/dev", "show", "-json", "tfplan")
    (road.folder / "plan.json").write_text(plan)
    code, lines = preflight(road)
    blocked = {name for name, row in lines.items() if row["verdict"] == "blocked"}
    assert (code, blocked) == (BLOCKED, {"delegate"})
    assert lines["who am I"]["detail"].startswith(f"account {ACCOUNT}, {REGION}")
    assert lines["names"]["verdict"] == "ok"
    assert lines[f"certificate: dev.{DOMAIN}"]["detail"] == f"validated by the zone {DOMAIN}"


def test_infrastructure_of_dev_and_prod_applies_and_its_plan_is_empty(road: Road) -> None:
    road.init("prod")

    def apply(stage: str) -> None:
        module = f"environments/{stage}"
        road.terraform(module, "apply", "-input=false", "-auto-approve", consent=True)
        road.terraform(module, "plan", "-input=false", "-detailed-exitcode")

    with ThreadPoolExecutor(len(STAGES)) as pool:
        list(pool.map(apply, STAGES))
    assert road.outputs("dev")["base_url"] == f"https://dev.{DOMAIN}"
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    assert road.outputs("dev")["backend_image"] == f"{registry}/harness-workshop-dev-backend"


def test_preflight_names_what_the_same_plan_would_find_taken(road: Road) -> None:
    code, lines = preflight(road)
    assert code == BLOCKED
    taken = {name.removeprefix("name: ") for name in lines if name.startswith("name: ")}
    dev = "harness-workshop-dev"
    assert taken >= {dev, f"{dev}-backend", f"{dev}-artifacts-{ACCOUNT}", "alias/" + dev}


def test_sync_without_consent_is_refused_and_names_the_account(road: Road) -> None:
    done = road.shell.run(str(PROGRAM), "sync", "--folder", str(road.project / "harness"))
    assert done.returncode == REFUSED
    assert f"Harness account {HARNESS_ACCOUNT} (https://app.harness.io/gateway)" in done.stderr


def test_sync_brings_the_folder_in_with_what_terraform_knows(road: Road) -> None:
    folder = str(road.project / "harness")
    said = road.shell.sandbox("sync", "--json", "--folder", folder, *HARNESS_CONSENT)
    done = {(row["kind"], row["identifier"]) for row in json.loads(said)}
    assert done >= {
        ("connector", "workshop_git"),
        ("environment", "prod"),
        ("pipeline", "workshop_cd"),
        ("trigger", "push_main"),
        ("variable", "backend_repository"),
    }


def test_pipelines_deliver_what_was_pushed_to_production(
    road: Road, delegate: subprocess.Popen[bytes]
) -> None:
    create = ("-d", json.dumps({"name": "harness-workshop"}), "--fail", "--silent")
    api = "http://127.0.0.1:3000/api/v3/orgs/workshop/repos"
    road.networks.world.must("curl", *create, api)
    road.git("push", "-q", "origin", "main")

    command = ("pipeline", "run", "workshop_ci", "--input-set", "ci_main", *HARNESS_CONSENT)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(road.shell.run, str(PROGRAM), *command)
        while not run.done() and not _approved(road):
            time.sleep(3)
        done = run.result()
    log = (road.folder / "delegate.log").read_text()[-3000:]
    assert delegate.poll() is None, log
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:] + log
    assert {row["status"] for row in road.executions("workshop_cd")} == {"Success"}


def _approved(road: Road) -> bool:
    """Approve production once the delivery waits for it."""
    for row in road.executions("workshop_cd"):
        if row["status"] == "ApprovalWaiting":
            identifier = row["planExecutionId"]
            road.shell.sandbox("pipeline", "approve", identifier, *HARNESS_CONSENT)
            return True
    return False


@pytest.mark.parametrize("stage", STAGES)
def test_pushed_commit_answers_by_the_name_of_its_environment(road: Road, stage: str) -> None:
    """The certificate is verified: ACM issued it for a name whose zone is in Route 53."""
    said = road.shell.must("curl", "--fail", "--silent", f"https://{stage}.{DOMAIN}/api/health")
    assert json.loads(said)["version"] == road.git("rev-parse", "HEAD").strip()


def test_no_file_of_the_project_was_changed(road: Road) -> None:
    assert road.git("status", "--porcelain") == ""


def test_every_kind_of_name_was_used_over_tls(road: Road) -> None:
    tls = {row["name"] for row in road.networks.seen("connection") if row["port"] == 443}
    balancers = {road.outputs(stage)["alb_dns_name"].lower() for stage in STAGES}
    regional = {
        f"{service}.{REGION}.amazonaws.com"
        for service in ("sts", "ec2", "ecs", "elasticloadbalancing", "logs", "api.ecr", "acm")
    }
    assert tls >= balancers | regional | {
        "app.harness.io",
        "github.com",
        "iam.amazonaws.com",
        "route53.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
        f"{STATE_BUCKET}.s3.{REGION}.amazonaws.com",
        # The aws cli and Terraform's provider still call S3 of us-east-1 by its oldest name.
        f"{road.outputs('dev')['artifacts_bucket']}.s3.amazonaws.com",
    }


def test_nothing_else_was_ever_asked_for(road: Road) -> None:
    """Beyond AWS, Harness and GitHub the pipelines only install packages, as they say."""
    assert road.networks.strays() == []
    others = {
        name
        for name in road.networks.names()
        if not name.endswith(".amazonaws.com") and name not in {"app.harness.io", "github.com"}
    }
    assert others <= REGISTRIES
    assert {row["port"] for row in road.networks.seen("connection")} == {443}


def test_purge_touches_nothing_of_the_account(road: Road) -> None:
    before = road.networks.journal.read_text()
    road.shell.sandbox("down", "--purge")
    assert road.networks.journal.read_text() == before
    listed = road.networks.world.sandbox(
        "exec", "--", "aws", "ecs", "list-services", "--cluster=harness-workshop-prod"
    )
    assert "harness-workshop-prod-backend" in listed


def test_the_watch_sees_what_goes_elsewhere(road: Road) -> None:
    """The tests above can fail: another name and a bare address are both seen. Runs last."""
    road.shell.run("curl", "--silent", "--max-time", "5", "https://example.com/")
    road.shell.run("curl", "--silent", "--max-time", "5", "http://169.254.169.254/latest/")
    strays = road.networks.strays()
    assert "example.com" in {row.get("name") for row in strays}
    assert "169.254.169.254" in {row.get("address") for row in strays}
