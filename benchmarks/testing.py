"""Other people's tests: first use and the cost of each test, in the three ways to run them."""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import DockerException

from benchmarks.report import Section
from benchmarks.stand import PARTS, PROJECT, Stand, free_port
from sandbox.testing.harness import Harness
from sandbox.testing.local import LocalSandbox
from sandbox.testing.settings import Wish

_RESETS = 20
_TEST_S = 0.2
"""How long the test between two resets lasts: the next life is made ready meanwhile."""
_ABSENT = "no container engine with the image here"


def measure(stand: Stand, share: float) -> Section:
    """Measure each way; those of containers only where an engine has the image."""
    del stand
    times = max(3, int(_RESETS * share))
    rows = [*_plugin(times), *_testcontainers(), *_compose()]
    about = (
        "`pytest -p sandbox.testing` against the whole sandbox in containers. First use ends with "
        "an S3 answer (and a Harness answer where it says so). A container has no reset: who "
        "wants an empty account pays a new start. Aims: first use 2 s, reset 50 ms."
    )
    return Section("Tests of other projects", about, ("what", "measured"), rows)


def _plugin(times: int) -> list[tuple[str, str]]:
    alone = _first_use(_ask_aws)
    both = _first_use(_ask_both)
    rows = [
        ("plugin, first use of `aws`", f"{alone:.2f} s"),
        ("plugin, first use of `aws` and `harness`", f"{both:.2f} s"),
    ]
    for what, ask in (("AWS", _ask_aws), ("AWS and Harness", _ask_both)):
        resets = _resets(ask, times)
        median, worst = statistics.median(resets), max(resets)
        rows.append((f"plugin, reset of {what}: median / worst", f"{median:.0f} / {worst:.0f} ms"))
    return rows


def _ask_aws(sandbox: LocalSandbox) -> None:
    sandbox.client("s3").list_buckets()


def _ask_both(sandbox: LocalSandbox) -> None:
    sandbox.start(harness=True)  # beside AWS, as the plugin does after collection
    sandbox.client("s3").list_buckets()
    Harness(sandbox).client.call("GET", "/ng/api/organizations")


def _first_use(ask: Callable[[LocalSandbox], None]) -> float:
    sandbox = LocalSandbox(Path(tempfile.mkdtemp(prefix="sandbox-test-")), Wish())
    try:
        begun = time.monotonic()
        ask(sandbox)
        return time.monotonic() - begun
    finally:
        sandbox.close()


def _resets(ask: Callable[[LocalSandbox], None], times: int) -> list[float]:
    """Return milliseconds of `times` resets, each after a short test that made something."""
    sandbox = LocalSandbox(Path(tempfile.mkdtemp(prefix="sandbox-test-")), Wish())
    found = []
    try:
        ask(sandbox)
        time.sleep(3)  # what it makes ready ahead of time, once a session
        for _ in range(times):
            sandbox.client("s3").create_bucket(Bucket="made")
            time.sleep(_TEST_S)
            begun = time.monotonic()
            sandbox.reset()
            found.append((time.monotonic() - begun) * 1000)
        return found
    finally:
        sandbox.close()


def _testcontainers() -> list[tuple[str, str]]:
    what = "testcontainers, start to ready"
    if not _has_image():
        return [(what, _ABSENT)]
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from sandbox.testing.container import SandboxContainer

    begun = time.monotonic()
    with SandboxContainer() as stack:
        stack.aws_client("s3").list_buckets()
        whole = time.monotonic() - begun
    begun = time.monotonic()
    with SandboxContainer(parts="aws") as stack:
        stack.aws_client("s3").list_buckets()
        alone = time.monotonic() - begun
    return [(what, f"{whole:.1f} s"), (f'{what}, `parts="aws"`', f"{alone:.1f} s")]


def _compose() -> list[tuple[str, str]]:
    what = "`docker compose up --wait`"
    if not _has_image() or subprocess.run(_compose_command("version"), check=False).returncode:
        return [(what, _ABSENT)]
    ports = {f"SANDBOX_{part}_PORT": str(free_port()) for part in PARTS}
    environment = {**os.environ, **ports}
    begun = time.monotonic()
    try:
        subprocess.run(
            _compose_command("up", "--wait", "--no-build"), env=environment, cwd=PROJECT, check=True
        )
        taken = time.monotonic() - begun
    finally:
        subprocess.run(
            _compose_command("down", "--volumes"), env=environment, cwd=PROJECT, check=False
        )
    return [(what, f"{taken:.1f} s")]


def _compose_command(*arguments: str) -> list[str]:
    return ["docker", "compose", "--project-name", f"sandbox-bench-{os.getpid()}", *arguments]


def _has_image() -> bool:
    from sandbox.testing.container import default_image

    try:
        with contextlib.closing(docker.from_env()) as engine:
            return bool(engine.images.get(default_image()))
    except DockerException:
        return False
