import os
import subprocess
import sys

import pytest

from sandbox.aws.runtime.process.shim import HealthTracker, process_identity


@pytest.mark.parametrize(
    ("probes", "verdicts"),
    [
        ("", "UNKNOWN"),
        ("ff", "UNKNOWN"),
        ("fff", "UNHEALTHY"),
        ("p", "HEALTHY"),
        ("pff", "HEALTHY"),
        ("pfff", "UNHEALTHY"),
        ("fffp", "HEALTHY"),
        ("ffpff", "HEALTHY"),
    ],
)
def test_verdict_after_probes(probes: str, verdicts: str) -> None:
    tracker = HealthTracker(retries=3, start_period_s=0)
    for age, probe in enumerate(probes):
        tracker.record(probe == "p", age)
    assert tracker.verdict == verdicts


def test_failures_of_the_start_period_do_not_count() -> None:
    tracker = HealthTracker(retries=1, start_period_s=10)
    tracker.record(False, 5)
    assert tracker.verdict == "UNKNOWN"
    tracker.record(False, 11)
    assert tracker.verdict == "UNHEALTHY"


def test_start_period_ends_with_the_first_success() -> None:
    tracker = HealthTracker(retries=1, start_period_s=10)
    tracker.record(True, 1)
    tracker.record(False, 2)
    assert tracker.verdict == "UNHEALTHY"


@pytest.mark.skipif(sys.platform != "linux", reason="identities come from /proc")
def test_identity_tells_processes_with_the_same_pid_apart() -> None:
    assert process_identity(os.getpid()) == process_identity(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = process_identity(process.pid)
        assert identity
        assert identity != process_identity(os.getpid())
        process.kill()
    assert process_identity(process.pid) == ""
