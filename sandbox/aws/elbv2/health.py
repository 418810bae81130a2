"""Target health in AWS's words, from what Envoy saw; it probes nothing itself.

Source: ELBv2 guide, "Target health status" and "Target health reason codes".
"""

import threading
import time
from collections.abc import Mapping
from typing import cast

from sandbox.aws.elbv2.admin import EnvoyAdmin
from sandbox.aws.elbv2.health_events import HealthEvents, HostKey, ProbeHistory
from sandbox.aws.elbv2.records import RegisteredTarget, TargetGroup, TargetPhase
from sandbox.aws.elbv2.state import State
from sandbox.aws.ports import TargetHealth
from sandbox.types import JsonObject

HEALTHY = TargetHealth(state="healthy")
REGISTERING = TargetHealth(
    state="initial",
    reason="Elb.RegistrationInProgress",
    description="Target registration is in progress",
)
INITIAL = TargetHealth(
    state="initial",
    reason="Elb.InitialHealthChecking",
    description="Initial health checks in progress",
)
DRAINING = TargetHealth(
    state="draining",
    reason="Target.DeregistrationInProgress",
    description="Target deregistration is in progress",
)
NOT_IN_USE = TargetHealth(
    state="unused",
    reason="Target.NotInUse",
    description="Target group is not configured to receive traffic from the load balancer",
)
NOT_REGISTERED = TargetHealth(
    state="unused",
    reason="Target.NotRegistered",
    description="Target is not registered to the target group",
)
UNAVAILABLE = TargetHealth(
    state="unavailable",
    reason="Elb.InternalError",
    description="Health checks failed due to an internal error",
)

_MAX_AGE_S = 0.1

HostFlags = frozenset[str]
"""Envoy's health flags of a host that are set; none set is healthy."""
_BAD = {"failed_active_health_check", "pending_active_hc", "active_hc_timeout"}


class HealthReader:
    """Answers for the health of target groups. Thread-safe."""

    def __init__(self, state: State, admin: EnvoyAdmin, events: HealthEvents) -> None:
        self._state = state
        self._admin = admin
        self._events = events
        self._lock = threading.Lock()
        self._hosts: Mapping[HostKey, HostFlags] | None = None
        self._read_at = float("-inf")

    def health(self, group: TargetGroup) -> dict[tuple[str, int], TargetHealth]:
        """Return the health of a group's targets by id and port."""
        targets = self._state.targets_of(group.arn)
        is_used = group.arn in self._state.uses()
        with self._lock:
            hosts = self._snapshot() if is_used and targets else {}
            return {(x.id, x.port): self._judge(group, x, hosts, is_used) for x in targets}

    def _judge(
        self,
        group: TargetGroup,
        target: RegisteredTarget,
        hosts: Mapping[HostKey, HostFlags] | None,
        is_used: bool,  # noqa: FBT001  one of four facts to judge by
    ) -> TargetHealth:
        if target.phase is TargetPhase.DRAINING:
            return DRAINING
        if not is_used:
            return NOT_IN_USE
        if target.phase is TargetPhase.REGISTERING:
            return REGISTERING
        if hosts is None:
            return UNAVAILABLE
        key = (group.arn, target.address, target.real_port)
        history = self._events.history(key, since=target.registered_at)
        return judge(hosts.get(key), history, group.health_check.unhealthy_threshold)

    def _snapshot(self) -> Mapping[HostKey, HostFlags] | None:
        if time.monotonic() - self._read_at > _MAX_AGE_S:
            try:
                self._hosts = host_flags(self._admin.clusters())
            except OSError:
                self._hosts = None
            self._events.read()
            self._read_at = time.monotonic()
        return self._hosts

    def read_events(self) -> None:
        """Take in Envoy's probe events, so that their file stays small."""
        with self._lock:
            self._events.read()


def host_flags(clusters: JsonObject) -> dict[HostKey, HostFlags]:
    """Return the bad health flags of every host in Envoy's `/clusters` answer."""
    flags: dict[HostKey, HostFlags] = {}
    for cluster in cast("list[JsonObject]", clusters.get("cluster_statuses", [])):
        for host in cast("list[Mapping[str, JsonObject]]", cluster.get("host_statuses", [])):
            address = cast("JsonObject", host["address"].get("socket_address", {}))
            key = (
                str(cluster["name"]),
                str(address.get("address", "")),
                int(cast("int", address.get("port_value", 0))),
            )
            status = host.get("health_status", {})
            flags[key] = frozenset(flag for flag in _BAD if status.get(flag))
    return flags


def judge(flags: HostFlags | None, history: ProbeHistory, unhealthy_threshold: int) -> TargetHealth:
    """Return the state of a target in service.

    `flags` is None where Envoy does not know the target yet. Envoy fails a new target at
    its first bad probe; on ELB it stays `initial` until the threshold is reached.
    """
    if flags is None or "pending_active_hc" in flags:
        return INITIAL
    if not flags:
        return HEALTHY
    if not history.was_healthy and history.failures < unhealthy_threshold:
        return INITIAL
    return TargetHealth(state="unhealthy", **_reason(flags, history))


def _reason(flags: HostFlags, history: ProbeHistory) -> dict[str, str]:
    if history.last_failure == "ACTIVE" and history.status_code:
        return {
            "reason": "Target.ResponseCodeMismatch",
            "description": f"Health checks failed with these codes: [{history.status_code}]",
        }
    if history.last_failure == "NETWORK_TIMEOUT" or "active_hc_timeout" in flags:
        return {"reason": "Target.Timeout", "description": "Request timed out"}
    return {"reason": "Target.FailedHealthChecks", "description": "Health checks failed"}
