"""Target groups as Envoy's clusters and endpoints; pure, no I/O.

Every time here is real: the `TimeScale` is applied.
"""

from collections.abc import Sequence
from pathlib import Path

from sandbox.aws.elbv2.attributes import TARGET_GROUP
from sandbox.aws.elbv2.envoy_parts import ADS, EXTENSIONS, config, header, seconds, typed
from sandbox.aws.elbv2.records import HealthCheckSettings, RegisteredTarget, TargetGroup
from sandbox.clock import TimeScale
from sandbox.types import JsonObject

_MIN_INTERVAL_S = 0.2
_MIN_TIMEOUT_S = 2.0
_LB_POLICIES = {
    "round_robin": ("round_robin", "RoundRobin"),
    "least_outstanding_requests": ("least_request", "LeastRequest"),
    "weighted_random": ("random", "Random"),
}
_UNLIMITED = 100_000
_PROBE: JsonObject = {"probe": True}
"""Matches probes only: no endpoint carries it."""


def cluster(
    group: TargetGroup, *, is_used: bool, time_scale: TimeScale, health_log: Path
) -> JsonObject:
    """Return the cluster of a target group; an unused group is not probed."""
    settings = {**TARGET_GROUP, **group.attributes}
    checks = health_check(group, time_scale, health_log) if is_used else None
    return {
        "name": group.arn,
        "type": "EDS",
        "connect_timeout": "10s",
        # Else a removed target stays until its probe fails.
        "ignore_health_on_host_removal": True,
        "eds_cluster_config": {"service_name": group.arn, "eds_config": ADS},
        "common_lb_config": {
            # ALB fails open: with no healthy target it asks all of them.
            "healthy_panic_threshold": {"value": 1},
            # Else a target's new health reaches the workers up to a second late.
            "update_merge_window": "0s",
        },
        "load_balancing_policy": {"policies": [_balancing(settings, time_scale)]},
        "typed_extension_protocol_options": _upstream_protocol(group),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": _UNLIMITED,
                    "max_pending_requests": _UNLIMITED,
                    "max_requests": _UNLIMITED,
                }
            ]
        },
        **({"health_checks": [checks]} if checks else {}),
        **_upstream_tls(group),
    }


def _balancing(settings: dict[str, str], time_scale: TimeScale) -> JsonObject:
    name, message = _LB_POLICIES[settings["load_balancing.algorithm.type"]]
    fields: dict[str, object] = {}
    if name == "least_request":
        fields["selection_method"] = "FULL_SCAN"
    slow_start_s = time_scale.shorten(int(settings["slow_start.duration_seconds"]))
    if slow_start_s > 0 and name == "round_robin":
        fields["slow_start_config"] = {
            "slow_start_window": seconds(slow_start_s),
            "aggression": {"default_value": 1.0, "runtime_key": "sandbox.aggression"},
        }
    policy = f"load_balancing_policies.{name}"
    return {"typed_extension_config": typed(f"envoy.{policy}", f"{policy}.v3.{message}", **fields)}


def _upstream_protocol(group: TargetGroup) -> JsonObject:
    http2 = group.protocol_version in {"HTTP2", "GRPC"}
    options = "upstreams.http.v3.HttpProtocolOptions"
    return {
        EXTENSIONS + options: config(
            options,
            explicit_http_config={
                "http2_protocol_options" if http2 else "http_protocol_options": {}
            },
            common_http_protocol_options={"idle_timeout": "60s"},
        )
    }


def _upstream_tls(group: TargetGroup) -> JsonObject:
    """Return how to speak to targets, and apart from that to their probes."""
    sockets = {
        # ALB does not check a target's certificate. Source: ELBv2 guide, "Target groups".
        "HTTPS": typed(
            "envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext"
        ),
        "HTTP": typed(
            "envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer"
        ),
    }
    check = group.health_check.protocol
    if (group.protocol, check) == ("HTTP", "HTTP"):
        return {}
    probe = {"name": "probe", "match": _PROBE, "transport_socket": sockets[check]}
    return {"transport_socket": sockets[group.protocol], "transport_socket_matches": [probe]}


def health_check(group: TargetGroup, time_scale: TimeScale, health_log: Path) -> JsonObject:
    """Return the probe of a target group."""
    check = group.health_check
    interval = seconds(max(time_scale.shorten(check.interval_s), _MIN_INTERVAL_S))
    return {
        "interval": interval,
        "no_traffic_interval": interval,
        "timeout": seconds(probe_timeout_s(check, time_scale)),
        "healthy_threshold": check.healthy_threshold,
        "unhealthy_threshold": check.unhealthy_threshold,
        "always_log_health_check_failures": True,
        "transport_socket_match_criteria": _PROBE,
        "event_logger": [
            typed(
                "envoy.health_check.event_sinks.file",
                "health_check.event_sinks.file.v3.HealthCheckEventFileSink",
                event_log_path=str(health_log),
            )
        ],
        "http_health_check": {
            "path": check.path,
            "codec_client_type": "HTTP2" if group.protocol_version == "HTTP2" else "HTTP1",
            "request_headers_to_add": [header("user-agent", "ELB-HealthChecker/2.0")],
            "expected_statuses": [
                {"start": low, "end": high + 1} for low, high in status_ranges(check.matcher)
            ],
            # Else one wrong status is enough, whatever the threshold.
            "retriable_statuses": [{"start": 100, "end": 600}],
        },
    }


def probe_timeout_s(check: HealthCheckSettings, time_scale: TimeScale) -> float:
    """Return a probe's time limit: shortened, but a busy laptop still has 2 s."""
    return max(time_scale.shorten(check.timeout_s), min(check.timeout_s, _MIN_TIMEOUT_S))


def status_ranges(matcher: str) -> list[tuple[int, int]]:
    """Return `200,300-399` as inclusive ranges."""
    ranges = []
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        ranges.append((int(low), int(high or low)))
    return ranges


def endpoints(group: TargetGroup, targets: Sequence[RegisteredTarget]) -> JsonObject:
    """Return the addresses that a cluster balances over; `targets` are those to serve.

    A draining target is simply left out: Envoy ends its requests in flight first, and it
    is not chosen even when no other target is healthy.
    """
    return {
        "cluster_name": group.arn,
        "endpoints": [{"lb_endpoints": [_endpoint(group, target) for target in targets]}],
    }


def _endpoint(group: TargetGroup, target: RegisteredTarget) -> JsonObject:
    address = {"socket_address": {"address": target.address, "port_value": target.real_port}}
    port = group.health_check.port
    elsewhere = port not in {"traffic-port", str(target.port)}
    # The Host header of a probe is the target's address and port, as ALB sends it; Envoy's
    # default, the cluster's name, is no valid host and strict servers answer it with 400.
    check: JsonObject = {"hostname": f"{target.id}:{port if elsewhere else target.port}"}
    if elsewhere:
        check = {**check, "port_value": int(port)}
    return {"endpoint": {"address": address, "health_check_config": check}}
