"""Single steps of the delegate against real counterparts: Git, S3, ECR, an image builder."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from ecr_server import EcrServer, serve
from moto.server import ThreadedMotoServer
from own_images import make_image, push
from werkzeug.serving import make_server

from fake_harness.delegate.context import DelegateFacts, StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.steps.registry import load_step
from sandbox.scm.server import create_app

TOOLS = Path(__file__).parents[2] / "tools" / ".venv" / "bin"
_BANDIT = shutil.which("bandit", path=f"{os.environ['PATH']}:{TOOLS}")
SCANNERS = str(Path(_BANDIT).parent) if _BANDIT else ""


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, credentials: None) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield boto3.client("s3")
    server.stop()


@pytest.fixture
def ecr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credentials: None) -> Iterator[EcrServer]:
    made = serve(tmp_path / "ecr")
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.stop()


class Steps:
    """Runs steps of one stage in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.image_builder = ""

    @property
    def workspace(self) -> Path:
        path = self.folder / "workspaces" / "stage"
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def log(self) -> str:
        return (self.folder / f"task-{self.count}" / "log.ndjson").read_text()

    def run(self, step_type: str, **params: object) -> StepResult:
        self.count += 1
        folder = self.folder / f"task-{self.count}"
        folder.mkdir()
        facts = DelegateFacts(
            work_dir=self.folder,
            image_builder=self.image_builder,
            time_scale=100,
            environment={**os.environ, "PATH": f"{os.environ['PATH']}:{SCANNERS}"},
        )
        package = {
            "taskId": "t",
            "workspaceId": "stage",
            "stepIdentifier": "build",
            "params": params,
            "secrets": {"${m}": str(params.get("token") or "")} if params.get("token") else {},
        }
        context = StepContext(package, folder, facts)
        try:
            return load_step(step_type)(context)
        finally:
            context.close()


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in (1, 2):
        (folder / "file").write_text(f"{number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", f"Commit {number}")
        git(folder, "tag", f"v{number}")
    git(folder, "checkout", "-q", "-b", "other", "v1")
    git(folder, "checkout", "-q", "main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"}
    who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **who},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("params", "content", "branch"),
    [
        ({}, "2", ""),
        ({"branch": "other"}, "1", "other"),
        ({"tag": "v1"}, "1", ""),
        ({"branch": "main", "commitSha": "v1"}, "1", "main"),
        (
            {
                "sourceBranch": "other",
                "targetBranch": "main",
                "prNumber": "1",
                "prCloneStrategy": "SourceBranch",
            },
            "1",
            "",
        ),
        ({"branch": "main", "depth": "0", "cloneDirectory": "/harness/sub"}, "2", "main"),
    ],
    ids=["head", "branch", "tag", "commit", "pull request", "whole history in a folder"],
)
def test_a_clone_checks_out_what_the_build_names(
    steps: Steps, repository: Path, params: dict[str, str], content: str, branch: str
) -> None:
    if "commitSha" in params:
        params = {**params, "commitSha": git(repository, "rev-parse", params["commitSha"])}
    result = steps.run("GitClone", url=f"file://{repository}", **params)
    folder = steps.workspace / ("sub" if "cloneDirectory" in params else "")
    assert (folder / "file").read_text().strip() == content
    assert result.outputs == {
        "commitSha": git(repository, "rev-parse", f"v{content}"),
        "branch": branch,
    }
    steps.run("GitClone", url=f"file://{repository}", **params)
    assert (folder / "file").read_text().strip() == content


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[str]:
    """The local Git server, with `workshop/app`, its pull request and a submodule."""
    root = tmp_path / "git"
    root.mkdir()
    server = make_server("127.0.0.1", 0, create_app(root, "http://127.0.0.1"), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for name in ("app", "part"):
        requests.post(f"{url}/api/v3/orgs/workshop/repos", json={"name": name}, timeout=5)
    part = tmp_path / "part"
    _commit(part, "part", "a part", f"{url}/workshop/part.git")
    app = tmp_path / "app"
    _commit(app, "main", "one", f"{url}/workshop/app.git")
    git(app, "checkout", "-q", "-b", "feature")
    _commit(app, "feature", "new", f"{url}/workshop/app.git")
    git(app, "checkout", "-q", "main")
    git(app, "submodule", "--quiet", "add", f"{url}/workshop/part.git", "part")
    _commit(app, "main2", "two", f"{url}/workshop/app.git")
    pull = {"head": "feature", "base": "main", "title": "New"}
    requests.post(f"{url}/api/v3/repos/workshop/app/pulls", json=pull, timeout=5)
    yield f"{url}/workshop/app.git"
    server.shutdown()
    server.server_close()


def _commit(folder: Path, name: str, text: str, url: str) -> None:
    if not folder.exists():
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
    (folder / name).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", text)
    git(folder, "push", "-q", url, "HEAD")


@pytest.mark.parametrize(
    ("params", "merged"),
    [
        ({"prNumber": "1", "sourceBranch": "feature", "targetBranch": "main"}, True),
        ({"prNumber": "1", "sourceBranch": "feature", "prCloneStrategy": "SourceBranch"}, False),
        ({"prNumber": "1"}, True),
        ({"prNumber": "1", "depth": "1"}, True),
        ({"prNumber": "1", "prCloneStrategy": "SourceBranch"}, False),
    ],
    ids=["by trigger", "by trigger, own", "by number", "by number, shallow", "by number, own"],
)
def test_a_pull_request_is_merged_into_its_target_unless_its_own_commit_is_wanted(
    steps: Steps, git_server: str, tmp_path: Path, params: dict[str, str], *, merged: bool
) -> None:
    result = steps.run("GitClone", url=git_server, **params)
    assert (steps.workspace / "feature").exists()
    assert (steps.workspace / "main2").exists() is merged
    own = git(tmp_path / "app", "rev-parse", "feature")
    head = git(steps.workspace, "rev-parse", "HEAD")
    expected = {"commitSha": own, "branch": ""}
    assert result.outputs == ({**expected, "mergeSha": head} if merged else expected)


def test_a_pull_request_that_conflicts_fails(steps: Steps, git_server: str, tmp_path: Path) -> None:
    app = tmp_path / "app"
    git(app, "checkout", "-q", "feature")
    _commit(app, "main2", "something else", git_server)
    with pytest.raises(StepFailedError, match="git merge failed"):
        steps.run("GitClone", url=git_server, sourceBranch="feature", targetBranch="main")


@pytest.mark.parametrize(
    ("strategy", "there"), [("false", False), ("true", True), ("recursive", True)]
)
def test_submodules_are_cloned_when_wanted(
    steps: Steps, git_server: str, strategy: str, *, there: bool
) -> None:
    access = {"username": "u", "token": "s3cr3t"}
    steps.run("GitClone", url=git_server, branch="main", submoduleStrategy=strategy, **access)
    assert (steps.workspace / "part" / "part").exists() is there


def test_a_clone_that_fails_says_so_and_never_its_token(steps: Steps) -> None:
    with pytest.raises(StepFailedError, match="git fetch failed") as error:
        steps.run("GitClone", url="http://127.0.0.1:1/x.git", username="u", token="s3cr3t/+")
    assert error.value.failure_types == ("CONNECTIVITY",)
    assert "s3cr3t" not in steps.log
    config = (steps.workspace / ".git" / "config").read_text()
    assert "s3cr3t" not in config
    assert "Authorization" not in config


@pytest.mark.parametrize("archive_format", ["Tar", "Gzip"])
def test_a_cache_comes_back_as_it_was_saved(steps: Steps, s3: Any, archive_format: str) -> None:
    (steps.workspace / "lock").write_text("one")
    (steps.workspace / "deps").mkdir()
    (steps.workspace / "deps" / "a").write_text("kept")
    s3.create_bucket(Bucket=f"cache-{archive_format}".lower())
    cache = {
        "bucket": f"cache-{archive_format}".lower(),
        "key": 'deps-{{ checksum "lock" }}',
        "archiveFormat": archive_format,
    }
    steps.run("RestoreCacheS3", **cache)
    assert "No cache under" in steps.log
    with pytest.raises(StepFailedError, match="not found"):
        steps.run("RestoreCacheS3", **cache, failIfKeyNotFound=True)
    steps.run("SaveCacheS3", **cache, sourcePaths=["deps", "/harness/absent"])
    (steps.workspace / "deps" / "a").write_text("changed")
    steps.run("SaveCacheS3", **cache, sourcePaths=["deps"])
    assert "exists already" in steps.log
    steps.run("RestoreCacheS3", **cache)
    assert (steps.workspace / "deps" / "a").read_text() == "kept"
    (steps.workspace / "lock").write_text("two")
    steps.run("RestoreCacheS3", **cache)
    assert "No cache under" in steps.log


def test_an_ecr_artifact_is_found_by_tag_and_by_expression(
    steps: Steps, ecr: EcrServer, tmp_path: Path
) -> None:
    for tag in ("v1", "v2", "nightly"):
        push(ecr.plane, "app", make_image(tmp_path / tag, files={"f": tag.encode()}), tag)
    where = {"region": "us-east-1", "imagePath": "app"}
    first = steps.run("EcrArtifact", **where, tag="v1").outputs
    assert str(first["image"]).endswith("/app:v1")
    assert str(first["digest"]).startswith("sha256:")
    found = steps.run("EcrArtifact", **where, tag=None, tagRegex="v.*", registryId=None).outputs
    assert found["tag"] == "v2"
    for wrong in ({"tag": "v9"}, {"tagRegex": "x.*"}, {"tag": "v1", "digest": "sha256:0"}):
        with pytest.raises(StepFailedError) as error:
            steps.run("EcrArtifact", **where, **wrong)
        assert error.value.failure_types == ("ARTIFACT",)
    with pytest.raises(StepFailedError, match="nothing:v1"):
        steps.run("EcrArtifact", region="us-east-1", imagePath="nothing", tag="v1")


BUILDER = """
import json, os
names = ("REGISTRY", "REPO", "TAGS", "DOCKERFILE", "CONTEXT", "BUILD_ARGS", "TARGET")
print(json.dumps({n: os.environ["PLUGIN_" + n] for n in names}))
repo = os.environ["PLUGIN_REGISTRY"] + "/" + os.environ["PLUGIN_REPO"]
images = [{"image": f"{repo}:{t}", "digest": "sha256:" + t} for t in os.environ["PLUGIN_TAGS"].split(",")]
with open(os.environ["PLUGIN_ARTIFACT_FILE"], "w") as out:
    json.dump({"kind": "docker/v1", "data": {"images": images}}, out)
"""


def test_a_build_hands_the_plugin_its_settings_and_publishes_what_it_pushed(
    steps: Steps, tmp_path: Path
) -> None:
    builder = tmp_path / "builder.py"
    builder.write_text(BUILDER)
    steps.image_builder = f"{sys.executable} {builder}"
    result = steps.run(
        "BuildAndPushECR",
        account="123456789012",
        region="eu-west-1",
        imageName="app",
        tags=["a", "b"],
        context="/harness/apps/app",
        dockerfile="apps/app/Dockerfile",
        buildArgs={"VERSION": "1"},
    )
    first = json.loads(steps.log.splitlines()[0])["row"]["out"]
    assert json.loads(first) == {
        "REGISTRY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "REPO": "app",
        "TAGS": "a,b",
        "DOCKERFILE": "apps/app/Dockerfile",
        "CONTEXT": "apps/app",
        "BUILD_ARGS": "VERSION=1",
        "TARGET": "",
    }
    artifact = result.outputs["artifact_build"]
    assert isinstance(artifact, dict)
    published = artifact["stepArtifacts"]["publishedImageArtifacts"]
    assert [(row["imageName"], row["tag"], row["digest"]) for row in published] == [
        ("app", "a", "sha256:a"),
        ("app", "b", "sha256:b"),
    ]
    steps.image_builder = f"{sys.executable} -c 'raise SystemExit(4)'"
    with pytest.raises(StepFailedError, match="code 4"):
        steps.run(
            "BuildAndPushECR", account="1", region="r", imageName="app", tags=["a"], context="."
        )


def test_a_delegate_without_a_builder_says_which_setting_names_one(steps: Steps) -> None:
    with pytest.raises(StepFailedError, match="FAKE_HARNESS_IMAGE_BUILDER names no command"):
        steps.run("BuildAndPushECR", account="1", region="r", imageName="app", tags=["a"])


@pytest.mark.skipif(not SCANNERS, reason="bandit is not installed (make setup does it)")
def test_bandit_fails_on_the_severity_asked_for(steps: Steps) -> None:
    (steps.workspace / "app").mkdir()
    (steps.workspace / "app" / "a.py").write_text(
        "import subprocess\nsubprocess.call('ls ' + input(), shell=True)\n"
    )
    target = {"type": "repository", "workspace": "/harness/app"}
    with pytest.raises(StepFailedError, match="1 high"):
        steps.run("Bandit", target=target, advanced={"fail_on_severity": "high"})
    result = steps.run("Bandit", target=target, advanced={"fail_on_severity": "none"})
    assert result.output_variables["HIGH"] == "1"
    assert steps.run("Bandit", target=target, advanced={"fail_on_severity": "critical"})
