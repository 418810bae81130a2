"""What `ProcessRuntime` promises beyond the port's contract: see its modules' docstrings."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from own_images import HOST, make_image, make_plane, push
from patience import eventually

from sandbox.aws.builder.plan import ImageSettings
from sandbox.aws.ecr.plane import EcrPlane
from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerSpec,
    ContainerState,
    HealthCheck,
    HealthStatus,
    ImagePullError,
    TaskSpec,
)
from sandbox.aws.runtime.process import ProcessRuntime, stop_all_tasks

ARN = f"arn:aws:ecs:us-east-1:000000000000:task/dev/{'d' * 32}"
SLEEP = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")
SERVE = (sys.executable, "-m", "http.server", "8080")


@pytest.fixture
def plane(tmp_path: Path) -> EcrPlane:
    made = make_plane(tmp_path / "ecr")
    files = {"app/page.txt": b"hello", "app/cwd.py": b"import os; print(os.getcwd())"}
    settings = ImageSettings(workdir="/app", exposed=("8080/tcp",))
    push(made, "app", make_image(tmp_path / "image", files=files, settings=settings))
    return made


@pytest.fixture
def runtime(plane: EcrPlane, tmp_path: Path) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(root=tmp_path / "runtime", images=plane.images)
    yield made
    for task in made.observe():
        made.remove_task(task.task_arn)


def start(runtime: ProcessRuntime, command: tuple[str, ...], **spec: Any) -> str:
    """Start one container and return its task's URL."""
    image = f"{HOST}/app:v1"
    container = ContainerSpec(name="web", image=image, command=command, **spec)
    runtime.pull(image, "")
    task = runtime.create_task(
        TaskSpec(task_arn=ARN, cluster="dev", family="web", containers=(container,))
    )
    runtime.start_container(ARN, "web")
    return f"http://{task.address}:{task.ports[8080]}"


def observed(runtime: ProcessRuntime) -> ContainerObservation:
    (task,) = runtime.observe()
    return task.containers[0]


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=30).ok
    except requests.ConnectionError:
        return False


def messages(runtime: ProcessRuntime) -> list[str]:
    return [line.message for line in runtime.read_log(ARN, "web", 0).lines]


def state_file(tmp_path: Path, name: str) -> Any:
    (path,) = (tmp_path / "runtime").glob(f"tasks/*/containers/web/{name}")
    return json.loads(path.read_text())


def test_server_on_every_address_is_reached_at_the_tasks_only(runtime: ProcessRuntime) -> None:
    url = start(runtime, SERVE)
    eventually(lambda: answers(url))
    assert requests.get(f"{url}/page.txt", timeout=30).text == "hello"
    assert not answers("http://127.0.0.1:8080/page.txt")


def test_program_starts_in_the_images_working_directory(runtime: ProcessRuntime) -> None:
    start(runtime, (sys.executable, "cwd.py"))
    eventually(lambda: bool(messages(runtime)))
    assert messages(runtime)[0].endswith("/rootfs/app")


CONNECT = "import socket; socket.create_connection(('localhost', 8080))"
FETCH = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/page.txt')"


@pytest.mark.parametrize(
    "check",
    [("CMD", sys.executable, "-c", CONNECT), ("CMD-SHELL", f'{sys.executable} -c "{FETCH}"')],
    ids=["exec", "shell"],
)
def test_health_check_reaches_its_own_task_by_localhost(
    runtime: ProcessRuntime, check: tuple[str, ...]
) -> None:
    start(runtime, SERVE, health_check=HealthCheck(command=check, interval_s=0.1))
    eventually(lambda: observed(runtime).health is HealthStatus.HEALTHY)


def test_health_check_that_fails_or_hangs_makes_the_container_unhealthy(
    runtime: ProcessRuntime,
) -> None:
    check = HealthCheck(command=("CMD", "sleep", "60"), interval_s=0.05, timeout_s=0.1, retries=2)
    start(runtime, SLEEP, health_check=check)
    eventually(lambda: observed(runtime).health is HealthStatus.UNHEALTHY)
    assert observed(runtime).state is ContainerState.RUNNING


def test_container_outlives_the_process_that_started_it(
    plane: EcrPlane, runtime: ProcessRuntime, tmp_path: Path
) -> None:
    child = os.fork()
    if child == 0:
        start(runtime, SLEEP)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    adopted = ProcessRuntime(root=tmp_path / "runtime", images=plane.images)
    assert observed(adopted).state is ContainerState.RUNNING
    eventually(lambda: messages(adopted) == ["up"])
    adopted.stop_container(ARN, "web", 5)
    eventually(lambda: observed(adopted).state is ContainerState.STOPPED)
    assert observed(adopted).exit_code == 128 + signal.SIGTERM


def test_reused_pid_is_never_trusted(runtime: ProcessRuntime, tmp_path: Path) -> None:
    start(runtime, SLEEP)
    (path,) = (tmp_path / "runtime").glob("tasks/*/containers/web/shim.json")
    shim = json.loads(path.read_text())
    path.write_text(json.dumps({**shim, "pid": os.getpid()}))
    seen = observed(runtime)
    assert seen.state is ContainerState.STOPPED
    runtime.remove_task(ARN)
    assert os.getpid() != shim["pid"], "this test would have been killed"


def test_killed_shim_takes_its_program_along(runtime: ProcessRuntime, tmp_path: Path) -> None:
    start(runtime, SLEEP)
    program = state_file(tmp_path, "status.json")["pid"]
    os.kill(state_file(tmp_path, "shim.json")["pid"], signal.SIGKILL)
    eventually(lambda: observed(runtime).state is ContainerState.STOPPED)
    assert observed(runtime).exit_code == 137
    assert observed(runtime).reason
    eventually(lambda: not Path(f"/proc/{program}").exists())


def test_children_of_a_container_end_with_it(runtime: ProcessRuntime) -> None:
    script = (
        "import subprocess, sys; p = subprocess.Popen(['sleep', '600']);"
        "print(p.pid, flush=True); sys.exit(0)"
    )
    start(runtime, (sys.executable, "-c", script))
    eventually(lambda: observed(runtime).state is ContainerState.STOPPED)
    (pid,) = messages(runtime)
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_stop_ends_every_container_and_keeps_their_records(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    start(runtime, SLEEP)
    stop_all_tasks(tmp_path / "runtime")
    assert observed(runtime).state is ContainerState.STOPPED
    stop_all_tasks(tmp_path / "nothing-here")


def test_long_and_broken_lines_are_kept_whole_or_cut_at_16_kib(runtime: ProcessRuntime) -> None:
    script = "import sys; sys.stdout.buffer.write(b'x' * 20000 + b'\\n\\xff\\r\\nlast'); sys.stdout.flush()"
    start(runtime, (sys.executable, "-c", script))
    eventually(lambda: observed(runtime).state is ContainerState.STOPPED)
    assert [len(m) for m in messages(runtime)] == [16384, 20000 - 16384, 1, 4]
    assert messages(runtime)[2:] == ["\ufffd", "last"]


def test_stderr_is_logged_with_stdout(runtime: ProcessRuntime) -> None:
    start(runtime, ("/bin/sh", "-c", "echo out; echo err >&2"))
    eventually(lambda: messages(runtime) == ["out", "err"])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("nginx:latest", "an image of another registry needs a container engine"),
        (f"{HOST}/foreign:v1", "was not built by `sandbox image build`"),
        (f"{HOST}/nope:v1", "The repository with name 'nope' does not exist"),
    ],
)
def test_image_that_needs_an_engine_is_refused_at_pull(
    plane: EcrPlane, runtime: ProcessRuntime, tmp_path: Path, image: str, words: str
) -> None:
    push(plane, "foreign", make_image(tmp_path / "foreign", labels={}))
    with pytest.raises(ImagePullError) as caught:
        runtime.pull(image, "")
    assert str(caught.value).startswith("CannotPullContainerError: ")
    assert words in str(caught.value)


def test_pull_by_digest_is_immune_to_a_moved_tag(
    plane: EcrPlane, runtime: ProcessRuntime, tmp_path: Path
) -> None:
    reference = f"{HOST}/app:v1"
    first = runtime.pull(reference, "")
    other = make_image(tmp_path / "other", files={"app/page.txt": b"other"})
    push(plane, "app", other)
    assert runtime.pull(reference, first) == first
    assert runtime.pull(reference, "") == other.digest
