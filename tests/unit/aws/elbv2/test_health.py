"""Health in AWS's words, from Envoy's flags and events."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.aws.elbv2.health import HEALTHY, INITIAL, host_flags, judge
from sandbox.aws.elbv2.health_events import HealthEvents, ProbeHistory
from sandbox.aws.ports import TargetHealth

FAILED = frozenset({"failed_active_health_check"})
SINCE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = ("group", "127.10.0.1", 5000)


def unhealthy(reason: str, description: str) -> TargetHealth:
    return TargetHealth(state="unhealthy", reason=reason, description=description)


@pytest.mark.parametrize(
    ("flags", "history", "expected"),
    [
        (None, ProbeHistory(), INITIAL),
        (frozenset(), ProbeHistory(), HEALTHY),
        (FAILED | {"pending_active_hc"}, ProbeHistory(), INITIAL),
        (FAILED, ProbeHistory(failures=1, last_failure="NETWORK"), INITIAL),
        (
            FAILED,
            ProbeHistory(failures=2, last_failure="NETWORK"),
            unhealthy("Target.FailedHealthChecks", "Health checks failed"),
        ),
        (
            FAILED,
            ProbeHistory(failures=1, last_failure="ACTIVE", status_code=503, was_healthy=True),
            unhealthy(
                "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"
            ),
        ),
        (
            FAILED | {"active_hc_timeout"},
            ProbeHistory(was_healthy=True),
            unhealthy("Target.Timeout", "Request timed out"),
        ),
    ],
)
def test_judgements(
    flags: frozenset[str] | None, history: ProbeHistory, expected: TargetHealth
) -> None:
    assert judge(flags, history, unhealthy_threshold=2) == expected


def test_flags_are_read_from_the_clusters_answer() -> None:
    address = {"socket_address": {"address": "127.10.0.1", "port_value": 5000}}
    status = {"failed_active_health_check": True, "eds_health_status": "HEALTHY"}
    hosts = [{"address": address, "health_status": status}]
    clusters = {"cluster_statuses": [{"name": "group", "host_statuses": hosts}, {"name": "xds"}]}
    assert host_flags(clusters) == {KEY: FAILED}


def event(after_s: float, **what: object) -> bytes:
    at = (SINCE + timedelta(seconds=after_s)).isoformat().replace("+00:00", "Z")
    host = {"socket_address": {"address": KEY[1], "port_value": KEY[2]}}
    return json.dumps({"cluster_name": KEY[0], "host": host, "timestamp": at, **what}).encode()


def failure(after_s: float, *, is_first: bool = False, status: int = 500) -> bytes:
    what = {"failure_type": "ACTIVE", "first_check": is_first, "http_status_code": status}
    return event(after_s, health_check_failure_event=what)


HEALTHY_AGAIN = {"first_check": False}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ProbeHistory()),
        (
            [failure(1, is_first=True), failure(2, status=404)],
            ProbeHistory(failures=2, last_failure="ACTIVE", status_code=404),
        ),
        (
            [failure(1), event(2, add_healthy_event=HEALTHY_AGAIN)],
            ProbeHistory(was_healthy=True),
        ),
        (
            # A host that is new to Envoy starts anew.
            [event(1, add_healthy_event=HEALTHY_AGAIN), failure(2, is_first=True)],
            ProbeHistory(failures=1, last_failure="ACTIVE", status_code=500),
        ),
        ([failure(-1)], ProbeHistory()),
        (
            [b"not json", b"{}", failure(1)],
            ProbeHistory(failures=1, last_failure="ACTIVE", status_code=500),
        ),
    ],
)
def test_histories(tmp_path: Path, lines: list[bytes], expected: ProbeHistory) -> None:
    log = tmp_path / "health.log"
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    events = HealthEvents(log)
    events.read()
    assert events.history(KEY, since=SINCE) == expected


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "health.log"
    line = failure(1) + b"\n"
    events = HealthEvents(log)
    events.read()
    log.write_bytes(line[:20])
    events.read()
    assert events.history(KEY, since=SINCE).failures == 0
    log.write_bytes(line)
    events.read()
    events.read()
    assert events.history(KEY, since=SINCE).failures == 1


def test_a_long_log_is_cut_and_its_meaning_kept(tmp_path: Path) -> None:
    log = tmp_path / "health.log"
    log.write_bytes((failure(1) + b"\n") * 30_000)
    events = HealthEvents(log)
    events.read()
    assert log.stat().st_size == 0
    with log.open("ab") as file:
        file.write(failure(2) + b"\n")
    events.read()
    assert events.history(KEY, since=SINCE).failures == 30_001
