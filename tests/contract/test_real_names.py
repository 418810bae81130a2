"""The switch to real accounts, proven without one.

Terraform, the delegate and `sandbox sync` run with target `aws` in a network where AWS's and
Harness's own host names, over TLS, lead to a second sandbox, and where nothing else can be
reached. No variable names an endpoint; trust comes from the usual variables. Tests run in order.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
from sandbox_command import PROGRAM, PROJECT

from sandbox.terraform import write_cli_config

ROAD = PROJECT / "tests" / "testdata" / "real_names"
CONSENT = ("--yes", "--account", ACCOUNT)
HARNESS_CONSENT = ("--yes", "--account", HARNESS_ACCOUNT)
SCOPE = ("--org", "road", "--project", "road")
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
    """What a person has in the client's network: a stack, a harness folder, a shell."""

    networks: RealNames
    folder: Path
    shell: Place

    def exec(self, *command: str, consent: bool = False) -> str:
        """Run a command as the switch points it."""
        flags = CONSENT if consent else ()
        return self.shell.sandbox("exec", *flags, "--", *command)

    def terraform(self, command: str, *arguments: str, consent: bool = False) -> str:
        program = Path(shutil.which("terraform") or "tofu").name
        chdir = f"-chdir={self.folder / 'stack'}"
        return self.exec(program, chdir, command, "-no-color", *arguments, consent=consent)

    def outputs(self) -> dict[str, str]:
        answer = json.loads(self.terraform("output", "-json"))
        found: dict[str, str] = answer["harness_variables"]["value"]
        return found


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("real-names")
    shutil.copytree(ROAD, folder / "road")
    config = write_cli_config(folder, None, folder / "no.terraformrc")
    variables = {"TF_CLI_CONFIG_FILE": str(config)} if config else {}
    with real_names(folder / "networks") as networks:
        shell = Place(namespace=networks.client.namespace, env={**networks.client.env, **variables})
        shell.sandbox("use", "aws")
        yield Road(networks=networks, folder=folder / "road", shell=shell)


@pytest.fixture(scope="module")
def delegate(road: Road) -> Iterator[subprocess.Popen[bytes]]:
    """A delegate of the account, started as its install guide says."""
    work = road.folder / "delegate"
    variables = {
        "ACCOUNT_ID": HARNESS_ACCOUNT,
        "DELEGATE_TOKEN": "0" * 32,
        "MANAGER_HOST_AND_PORT": "https://app.harness.io",
        "DELEGATE_NAME": "client",
        "FAKE_HARNESS_DELEGATE_WORK_DIR": str(work),
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


def preflight(road: Road, plan: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the preflight; return its exit code and its lines by their check."""
    place = ("--infra", str(road.folder / "stack"), "--folder", str(road.folder / "harness"))
    command = ("preflight", "aws", *place, "--plan", str(plan), "--json")
    done = road.shell.run(str(PROGRAM), *command)
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, {row["check"]: row for row in json.loads(done.stdout)}


def test_preflight_finds_only_the_delegate_missing(road: Road) -> None:
    road.exec("aws", "s3", "mb", "s3://road-tfstate", consent=True)
    road.terraform("init", "-input=false")
    road.terraform("plan", "-input=false", "-out=tfplan")
    plan = road.folder / "plan.json"
    plan.write_text(road.terraform("show", "-json", "tfplan"))
    code, lines = preflight(road, plan)
    blocked = {name for name, row in lines.items() if row["verdict"] == "blocked"}
    assert (code, blocked) == (BLOCKED, {"delegate"})
    assert lines["who am I"]["detail"].startswith(f"account {ACCOUNT}, {REGION}")
    assert lines["names"]["verdict"] == "ok"


def test_stack_applies_with_its_state_in_s3(road: Road) -> None:
    road.terraform("apply", "-input=false", "-auto-approve", consent=True)
    assert f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/road-app" in road.outputs()["repository_url"]
    road.terraform("plan", "-input=false", "-detailed-exitcode")


def test_preflight_names_what_the_same_plan_would_find_taken(road: Road) -> None:
    code, lines = preflight(road, road.folder / "plan.json")
    assert code == BLOCKED
    taken = {name for name, row in lines.items() if name.startswith("name: ")}
    bucket = f"road-artifacts-{ACCOUNT}"
    names = (bucket, "road-app", "road", "road-execution", "/road/app")
    assert taken == {f"name: {name}" for name in names}


def test_sync_without_consent_is_refused_and_names_the_account(road: Road) -> None:
    done = road.shell.run(str(PROGRAM), "sync", "--folder", str(road.folder / "harness"))
    assert done.returncode == REFUSED
    assert f"Harness account {HARNESS_ACCOUNT} (https://app.harness.io/gateway)" in done.stderr


def test_sync_brings_the_entities_in(road: Road) -> None:
    folder = str(road.folder / "harness")
    said = road.shell.sandbox("sync", "--json", "--folder", folder, *HARNESS_CONSENT)
    assert {row["kind"] for row in json.loads(said)} >= {"service", "pipeline", "environment"}


def test_pipeline_builds_pushes_and_deploys(road: Road, delegate: subprocess.Popen[bytes]) -> None:
    command = ("pipeline", "run", "road", *SCOPE, *HARNESS_CONSENT)
    done = road.shell.run(str(PROGRAM), *command, timeout=800)
    log = (road.folder / "delegate.log").read_text()[-3000:]
    assert delegate.poll() is None, log
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:] + log
    listed = road.exec("aws", "s3", "ls", f"s3://{road.outputs()['bucket']}", "--recursive")
    assert "deployed by the delegate" in listed
    assert "notes/the road.txt" in listed


def test_every_kind_of_name_was_used_over_tls(road: Road) -> None:
    tls = {row["name"] for row in road.networks.seen("connection") if row["port"] == 443}
    bucket = road.outputs()["bucket"]
    assert {
        "app.harness.io",
        "iam.amazonaws.com",
        f"sts.{REGION}.amazonaws.com",
        f"ec2.{REGION}.amazonaws.com",
        f"ecs.{REGION}.amazonaws.com",
        f"elasticloadbalancing.{REGION}.amazonaws.com",
        f"logs.{REGION}.amazonaws.com",
        f"api.ecr.{REGION}.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
        f"road-tfstate.s3.{REGION}.amazonaws.com",
    } <= tls
    # The aws cli and Terraform's provider still call S3 of us-east-1 by its oldest name.
    assert f"{bucket}.s3.amazonaws.com" in tls
    plain = {row["name"] for row in road.networks.seen("connection") if row["port"] == 80}
    assert plain == {road.outputs()["base_url"].removeprefix("http://")}


def test_nothing_else_was_ever_asked_for(road: Road) -> None:
    assert road.networks.strays() == []


def test_purge_touches_nothing_of_the_account(road: Road) -> None:
    before = road.networks.journal.read_text()
    road.shell.sandbox("down", "--purge")
    assert road.networks.journal.read_text() == before
    listed = road.networks.world.sandbox(
        "exec", "--", "aws", "ecs", "list-services", "--cluster=road"
    )
    assert "road-app" in listed


def test_the_watch_sees_what_goes_elsewhere(road: Road) -> None:
    """The tests above can fail: another name and a bare address are both seen. Runs last."""
    road.shell.run("curl", "--silent", "--max-time", "5", "https://example.com/")
    road.shell.run("curl", "--silent", "--max-time", "5", "http://169.254.169.254/latest/")
    strays = road.networks.strays()
    assert "example.com" in {row.get("name") for row in strays}
    assert "169.254.169.254" in {row.get("address") for row in strays}
