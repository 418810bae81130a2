"""The pytest plugin in somebody else's project: isolation, laziness, options, nothing left."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testing_project import HELLO, pytest_run, write

pytestmark = pytest.mark.flaky(reruns=1)

ISOLATION = """
import os

import boto3
import pytest

BEFORE = dict(os.environ)

@pytest.mark.parametrize("turn", [1, 2])
def test_starts_empty(aws, sandbox, turn):
    s3, ecs, iam = aws.client("s3"), aws.client("ecs"), aws.client("iam")
    assert s3.list_buckets()["Buckets"] == []
    assert ecs.list_clusters()["clusterArns"] == []
    assert iam.list_roles()["Roles"] == []
    assert [call.name for call in sandbox.calls()] == [
        "s3.ListBuckets", "ecs.ListClusters", "iam.ListRoles"
    ]
    s3.create_bucket(Bucket="left")
    ecs.create_cluster(clusterName="left")
    iam.create_role(RoleName="left", AssumeRolePolicyDocument="{}")

def test_resources_come_here_too(aws):
    bucket = aws.resource("s3").create_bucket(Bucket="made")
    assert [found.name for found in aws.resource("s3").buckets.all()] == [bucket.name]

def test_the_person_s_environment_is_neither_read_nor_changed(aws, sandbox):
    assert os.environ["AWS_PROFILE"] == "nobody"
    assert dict(os.environ) | {"PYTEST_CURRENT_TEST": ""} == BEFORE | {"PYTEST_CURRENT_TEST": ""}
    assert aws.client("sts").get_caller_identity()["Account"] == sandbox.account_id
    with pytest.raises(Exception, match="nobody"):
        boto3.Session().client("sts")

def test_a_variable_points_code_here(sandbox, monkeypatch):
    monkeypatch.delenv("AWS_PROFILE")
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("sqs").create_queue(QueueName="q")
    (call,) = sandbox.calls(service="sqs")
    assert (call.operation, call.parameters["QueueName"], call.by) == ("CreateQueue", "q", "test")

@pytest.mark.sandbox(reset=False)
def test_what_was_left_can_be_kept(aws):
    assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 1

def test_harness_was_never_started(sandbox):
    assert not sandbox._harness.is_started
"""


def test_each_test_has_an_account_of_its_own(tmp_path: Path) -> None:
    outcome = pytest_run(write(tmp_path, test_all=ISOLATION), "-W", "error", AWS_PROFILE="nobody")
    assert outcome.code == 0, outcome.output
    assert len(outcome.tests) == 7


def test_workers_do_not_meet_and_nothing_is_left(tmp_path: Path, temporary: Path) -> None:
    test = """
import os, pytest
@pytest.mark.parametrize("n", range(4))
def test_alone(aws, sandbox, n):
    s3 = aws.client("s3")
    assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="same-name")
    print("FOLDER", os.environ["PYTEST_XDIST_WORKER"], sandbox._folder)
"""
    outcome = pytest_run(
        write(tmp_path, test_alone=test), "-p", "xdist", "-n", "2", TMPDIR=str(temporary)
    )
    assert outcome.code == 0, outcome.output
    assert "gw0" in outcome.output
    assert "gw1" in outcome.output
    assert not sandboxes_in(temporary)


def test_ctrl_c_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    test = """
import os, signal, time
from pathlib import Path
def test_interrupted(harness):
    # What was started in a shell's background ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    harness.apply(PIPELINE)
    harness.start("hello", {"script": "touch BEGUN; exec sleep 61"})
    deadline = time.monotonic() + 30
    while not Path("BEGUN").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)
""".replace("BEGUN", str(tmp_path / "begun"))
    outcome = pytest_run(write(tmp_path, test_c=HELLO + test), TMPDIR=str(temporary))
    assert (tmp_path / "begun").exists(), outcome.output
    assert outcome.code == 2, outcome.output
    assert not sandboxes_in(temporary)


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        ("sandbox_runtime = docker", "'docker' is not one of fake, process"),
        ("sandbox_time_scale = fast", "'fast' is no number"),
        ("sandbox_reset = never", "'never' is not one of test, module, session"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, ini: str, message: str) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    outcome = pytest_run(tmp_path)
    assert outcome.code == 4
    assert message in outcome.output


def test_a_module_can_share_its_state(tmp_path: Path) -> None:
    test = """
import pytest

@pytest.fixture(scope="module")
def bucket(aws):
    aws.client("s3").create_bucket(Bucket="shared")

@pytest.mark.parametrize("n", [1, 2])
def test_shared(bucket, aws, n):
    assert [row["Name"] for row in aws.client("s3").list_buckets()["Buckets"]] == ["shared"]
"""
    (tmp_path / "pytest.ini").write_text("[pytest]\nsandbox_reset = module\n")
    outcome = pytest_run(write(tmp_path, test_one=test, test_two=test))
    assert outcome.code == 0, outcome.output
    assert "4 passed" in outcome.output


def test_nothing_is_started_for_tests_that_do_not_ask(tmp_path: Path, temporary: Path) -> None:
    test = """
from pathlib import Path
def test_plain():
    assert not list(Path("FOLDER").iterdir())
""".replace("FOLDER", str(temporary))
    outcome = pytest_run(write(tmp_path, test_plain=test), TMPDIR=str(temporary))
    assert outcome.code == 0, outcome.output


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder for one run, short enough for the sockets below it."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


def sandboxes_in(folder: Path) -> list[str]:
    """Return what is left of sandboxes below a folder: their folders and their processes."""
    command = ["ps", "axww", "-o", "args"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    files = [path.name for path in folder.iterdir() if path.name.startswith("sandbox-")]
    return files + [line for line in done.stdout.splitlines() if str(folder) in line]
