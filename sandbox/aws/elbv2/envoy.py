"""Records to Envoy's resources: clusters, endpoints, secrets, listeners; pure, no I/O.

Routes are in `envoy_routes.py`. Every time here is real: the `TimeScale` is applied.
"""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from sandbox.aws.elbv2.attributes import LOAD_BALANCER, TARGET_GROUP
from sandbox.aws.elbv2.envoy_routes import (
    LUA_FILTER,
    SERVER,
    SOURCE_HEADER,
    error_page,
    header,
    listener_name,
)
from sandbox.aws.elbv2.records import (
    HealthCheckSettings,
    Listener,
    LoadBalancer,
    RegisteredTarget,
    TargetGroup,
)
from sandbox.aws.elbv2.ssl_policies import envoy_tls_parameters
from sandbox.aws.elbv2.xds import TYPE_PREFIX
from sandbox.aws.ports import Certificate
from sandbox.clock import TimeScale
from sandbox.types import JsonObject

ADS: JsonObject = {"ads": {}, "resource_api_version": "V3"}
_EXTENSIONS = "envoy.extensions."
_MIN_INTERVAL_S = 0.2
_MIN_TIMEOUT_S = 2.0
_LB_POLICIES = {
    "round_robin": ("round_robin", "RoundRobin"),
    "least_outstanding_requests": ("least_request", "LeastRequest"),
    "weighted_random": ("random", "Random"),
}
_UNLIMITED = 100_000


def typed(name: str, message: str, **fields: object) -> JsonObject:
    """Return an extension of Envoy with its configuration."""
    return {"name": name, "typed_config": {"@type": TYPE_PREFIX + _EXTENSIONS + message, **fields}}


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
        _EXTENSIONS.removesuffix(".") + "." + options: {
            "@type": TYPE_PREFIX + _EXTENSIONS + options,
            "explicit_http_config": {
                "http2_protocol_options" if http2 else "http_protocol_options": {}
            },
            "common_http_protocol_options": {"idle_timeout": "60s"},
        }
    }


def _upstream_tls(group: TargetGroup) -> JsonObject:
    if group.protocol != "HTTPS":
        return {}
    # ALB does not check a target's certificate. Source: ELBv2 guide, "Target groups".
    context = typed("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext")
    return {"transport_socket": context}


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


def secret(certificate: Certificate) -> JsonObject:
    """Return a certificate with its chain and key."""
    chain = certificate.certificate_pem.rstrip("\n") + "\n" + certificate.chain_pem
    return {
        "name": certificate.arn,
        "tls_certificate": {
            "certificate_chain": {"inline_string": chain},
            "private_key": {"inline_string": certificate.private_key_pem},
        },
    }


def listener(load_balancer: LoadBalancer, record: Listener) -> JsonObject:
    """Return the listener that binds the load balancer's address."""
    chain: dict[str, object] = {
        "filters": [{"name": "http", "typed_config": _connection_manager(load_balancer, record)}]
    }
    if record.protocol == "HTTPS":
        chain["transport_socket"] = _downstream_tls(load_balancer, record)
    return {
        "name": listener_name(record),
        "address": {
            "socket_address": {"address": load_balancer.address, "port_value": record.bound_port}
        },
        # Two processes must not share a port in silence.
        "enable_reuse_port": False,
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def _downstream_tls(load_balancer: LoadBalancer, record: Listener) -> JsonObject:
    settings = {**LOAD_BALANCER, **load_balancer.attributes}
    http2 = settings["routing.http2.enabled"] == "true"
    arns = (record.certificate_arn, *record.extra_certificate_arns)
    return typed(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "tls_params": envoy_tls_parameters(record.ssl_policy),
            "alpn_protocols": ["h2", "http/1.1"] if http2 else ["http/1.1"],
            # Envoy picks by server name among them; the first is the default.
            "tls_certificate_sds_secret_configs": [
                {"name": arn, "sds_config": ADS} for arn in arns
            ],
        },
    )


def _connection_manager(load_balancer: LoadBalancer, record: Listener) -> JsonObject:
    settings = {**LOAD_BALANCER, **load_balancer.attributes}
    idle = f"{settings['idle_timeout.timeout_seconds']}s"
    keep_alive = f"{settings['client_keep_alive.seconds']}s"
    drop = settings["routing.http.drop_invalid_header_fields.enabled"] == "true"
    name = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": TYPE_PREFIX + _EXTENSIONS + name,
        "stat_prefix": listener_name(record),
        "codec_type": "AUTO",
        "rds": {"route_config_name": listener_name(record), "config_source": ADS},
        "early_header_mutation_extensions": [_source_header()],
        "use_remote_address": True,
        # Envoy would append its own address for a client on this machine.
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "stream_idle_timeout": idle,
        "request_headers_timeout": idle,
        "common_http_protocol_options": {
            "idle_timeout": keep_alive,
            "max_headers_count": 1000,
            "headers_with_underscores_action": "DROP_HEADER" if drop else "ALLOW",
        },
        "max_request_headers_kb": 64,
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": {"mappers": local_replies()},
        "http_filters": [
            typed(
                LUA_FILTER,
                "filters.http.lua.v3.Lua",
                default_source_code={"inline_string": _lua()},
            ),
            typed(
                "envoy.filters.http.router",
                "filters.http.router.v3.Router",
                suppress_envoy_headers=True,
            ),
        ],
    }


def _source_header() -> JsonObject:
    mutation = header(SOURCE_HEADER, "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")
    package = "http.early_header_mutation.header_mutation.v3"
    return typed("source", f"{package}.HeaderMutation", mutations=[{"append": mutation}])


def local_replies() -> list[JsonObject]:
    """Return the pages for what Envoy answers itself, by AWS's status.

    Source: ELBv2 guide, "Troubleshoot your Application Load Balancers".
    """
    cel = "access_loggers.filters.cel.v3.ExpressionFilter"
    timed_out: JsonObject = {
        "extension_filter": typed(
            "cel", cel, expression="response.code_details.contains('timeout')"
        )
    }
    return [
        _reply(_both(_flags("UF"), timed_out), 504),
        _reply(_flags("UF", "UC", "LR", "UPE", "UR"), 502),
        _reply(_both(_flags("UT", "SI"), _status(504)), 504),
        _reply(_flags("UH", "NC", "UO"), 503),
        _reply(_status(431), 400),
    ]


def _reply(condition: JsonObject, status: int) -> JsonObject:
    return {
        "filter": condition,
        "status_code": status,
        "body": {"inline_string": error_page(status)},
        "headers_to_add": [header("server", SERVER)],
        "body_format_override": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "text/html",
        },
    }


def _flags(*flags: str) -> JsonObject:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(status: int) -> JsonObject:
    value = {"default_value": status, "runtime_key": "sandbox.status"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _both(*filters: JsonObject) -> JsonObject:
    return {"and_filter": {"filters": list(filters)}}


def seconds(value: float) -> str:
    """Return a duration in protobuf's JSON form."""
    return f"{value:.3f}s"


@cache
def _lua() -> str:
    return resources.files(__package__).joinpath("envoy_filter.lua").read_text("utf-8")
