"""Other people's tests: first use, and an empty account for each test, in the three ways."""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import docker
from docker.errors import DockerException

from benchmarks.report import Section
from benchmarks.stand import PARTS, PROJECT, free_port
from sandbox.testing.container import SandboxContainer, default_image
from sandbox.testing.harness import Harness
from sandbox.testing.local import LocalSandbox
from sandbox.testing.sessions import LocalSession
from sandbox.testing.settings import Wish

_RESETS = 20
_FIRST_USES = 5
_OBJECTS = 20
_FIRST_USE = """
import sys, tempfile, time
from pathlib import Path
import pytest
begun = time.monotonic()
from sandbox.testing.local import LocalSandbox
from sandbox.testing.settings import Wish
sandbox = LocalSandbox(Path(tempfile.mkdtemp(prefix="sandbox-test-")), Wish())
try:
    sandbox.start(harness=sys.argv[1] == "both")
    sandbox.client("s3").list_buckets()
    if sys.argv[1] == "both":
        from sandbox.testing.harness import Harness
        Harness(sandbox).client.call("GET", "/ng/api/organizations")
    print(time.monotonic() - begun)
finally:
    sandbox.close()
"""
"""In a new Python, as a test run is one: what it must import is part of the first use."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one way costs, in seconds."""

    way: str
    first_use: float
    per_test: float
    """An empty account for the next test."""
    worst: float


def measure(share: float) -> Section:
    """Measure each way; those of containers only where an engine has the image."""
    times = max(3, int(_RESETS * share))
    uses = max(1, int(_FIRST_USES * share))
    inside = [_in_process(which, uses, times) for which in ("aws", "both")]
    rows = [_row(cost, inside[-1]) for cost in inside]
    for way, run in (
        ('testcontainers, `parts="aws"`', partial(_testcontainers, "aws")),
        ("testcontainers, everything", partial(_testcontainers, "")),
        ("Compose, everything", _compose),
    ):
        lacking = _lacking()
        rows.append((way, lacking, "-", "-", "-") if lacking else _row(run(way), inside[-1]))
    about = (
        "First use: until S3 has answered (and Harness, where it is there), imports included. "
        "Per test: an empty account for the next test, until S3 answers in it; in process that "
        "is a reset (in brackets the worst one of all), a container is removed and started again "
        "(or its tests share one account, for nothing). Ratio: to in process, AWS and "
        "Harness. Aims in process: first use 2 s, reset 50 ms."
    )
    columns = ("way", "first use", "ratio", "per test", "ratio")
    return Section("Tests of other projects", about, columns, rows)


def _row(cost: Cost, base: Cost) -> tuple[str, ...]:
    return (
        cost.way,
        f"{cost.first_use:.2f} s",
        f"{cost.first_use / base.first_use:.1f}",
        _shown(cost),
        f"{cost.per_test / base.per_test:.1f}",
    )


def _shown(cost: Cost) -> str:
    if cost.per_test >= 1:
        return f"{cost.per_test:.2f} s"
    return f"{cost.per_test * 1000:.0f} ms ({cost.worst * 1000:.0f} ms)"


def _in_process(which: str, uses: int, times: int) -> Cost:
    command = [sys.executable, "-c", _FIRST_USE, which]
    found = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(uses)
    ]
    resets = _resets(times, harness=which == "both")
    return Cost(
        way="in process, " + ("AWS alone" if which == "aws" else "AWS and Harness"),
        first_use=statistics.median(found),
        per_test=statistics.median(resets),
        worst=max(resets),
    )


def _resets(times: int, *, harness: bool) -> list[float]:
    """Return the seconds of each reset until AWS answers again, each after a short test."""
    sandbox = LocalSandbox(Path(tempfile.mkdtemp(prefix="sandbox-test-")), Wish())
    found = []
    try:
        sandbox.start(harness=harness)
        s3 = sandbox.client("s3")
        for _ in range(times):
            _short_test(sandbox, harness=harness)
            begun = time.monotonic()
            sandbox.reset()
            s3.list_buckets()
            found.append(time.monotonic() - begun)
        return found
    finally:
        sandbox.close()


def _short_test(sandbox: LocalSandbox, *, harness: bool) -> None:
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="made")
    for number in range(_OBJECTS):
        s3.put_object(Bucket="made", Key=str(number), Body=b"1")
    if harness:
        project = {"project": {"identifier": "made", "orgIdentifier": "default"}}
        Harness(sandbox).apply(project)


def _twice(way: str, run: Callable[[], contextlib.AbstractContextManager[None]]) -> Cost:
    """Start, then end and start again: the second is what the next test would pay."""
    begun = time.monotonic()
    with run():
        first_use = time.monotonic() - begun
        begun = time.monotonic()
    with run():
        again = time.monotonic() - begun
    return Cost(way=way, first_use=first_use, per_test=again, worst=again)


def _testcontainers(parts: str, way: str) -> Cost:
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

    @contextlib.contextmanager
    def run() -> Iterator[None]:
        with SandboxContainer(parts=parts) as stack:
            stack.aws_client("s3").list_buckets()
            yield

    return _twice(way, run)


def _compose(way: str) -> Cost:
    ports = {f"SANDBOX_{part}_PORT": str(free_port()) for part in PARTS}
    environment = {**os.environ, **ports}
    command = ["docker", "compose", "--project-name", f"sandbox-bench-{os.getpid()}"]
    call = partial(
        subprocess.run, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
    )

    @contextlib.contextmanager
    def run() -> Iterator[None]:
        try:
            done = call([*command, "up", "--wait", "--no-build"])
            if done.returncode:
                raise RuntimeError(f"docker compose up: {done.stderr.strip()}")
            session = LocalSession(f"http://127.0.0.1:{ports['SANDBOX_AWS_PORT']}")
            session.client("s3").list_buckets()
            yield
        finally:
            call([*command, "down", "--volumes"])

    return _twice(way, run)


def _lacking() -> str:
    """Return what containers lack here; empty when they can be started."""
    image = default_image()
    try:
        with contextlib.closing(docker.from_env()) as engine:
            engine.images.get(image)
    except DockerException:
        return f"not measured: no container engine has {image}"
    return ""
