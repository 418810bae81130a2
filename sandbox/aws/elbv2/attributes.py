"""Attributes of load balancers, target groups and listeners: names, defaults, checks.

Source: ELBv2 API Reference, LoadBalancerAttribute, TargetGroupAttribute and
ListenerAttribute. It stores nothing.
"""

from collections.abc import Mapping

from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.errors import not_implemented

LOAD_BALANCER: Mapping[str, str] = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "health_check_logs.s3.enabled": "false",
    "health_check_logs.s3.bucket": "",
    "health_check_logs.s3.prefix": "",
    "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}

TARGET_GROUP: Mapping[str, str] = {
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "load_balancing.algorithm.type": "round_robin",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "slow_start.duration_seconds": "0",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.enabled": "false",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.type": "lb_cookie",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}

_RESPONSE_HEADERS = (
    "access_control_allow_credentials",
    "access_control_allow_headers",
    "access_control_allow_methods",
    "access_control_allow_origin",
    "access_control_expose_headers",
    "access_control_max_age",
    "content_security_policy",
    "strict_transport_security",
    "x_content_type_options",
    "x_frame_options",
)
RESPONSE_HEADER_ATTRIBUTES: Mapping[str, str] = {
    f"routing.http.response.{name}.header_value": name.replace("_", "-")
    for name in _RESPONSE_HEADERS
}
"""Attribute name to the response header that it sets."""

LISTENER_HTTP: Mapping[str, str] = {
    "routing.http.response.server.enabled": "true",
    **dict.fromkeys(RESPONSE_HEADER_ATTRIBUTES, ""),
}
_REQUEST_HEADER_NAMES = (
    "x_amzn_mtls_clientcert",
    "x_amzn_mtls_clientcert_issuer",
    "x_amzn_mtls_clientcert_leaf",
    "x_amzn_mtls_clientcert_serial_number",
    "x_amzn_mtls_clientcert_subject",
    "x_amzn_mtls_clientcert_validity",
    "x_amzn_tls_cipher_suite",
    "x_amzn_tls_version",
)
LISTENER_HTTPS: Mapping[str, str] = {
    **LISTENER_HTTP,
    **{
        f"routing.http.request.{name}.header_name": "-".join(
            part.capitalize() for part in name.split("_")
        )
        for name in _REQUEST_HEADER_NAMES
    },
}

_RANGES: Mapping[str, tuple[int, int]] = {
    "client_keep_alive.seconds": (60, 604800),
    "idle_timeout.timeout_seconds": (1, 4000),
    "deregistration_delay.timeout_seconds": (0, 3600),
    "slow_start.duration_seconds": (0, 900),
    "stickiness.app_cookie.duration_seconds": (1, 604800),
    "stickiness.lb_cookie.duration_seconds": (1, 604800),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "load_balancing.algorithm.type": (
        "round_robin",
        "least_outstanding_requests",
        "weighted_random",
    ),
    "load_balancing.algorithm.anomaly_mitigation": ("on", "off"),
    "routing.http.desync_mitigation_mode": ("monitor", "defensive", "strictest"),
    "routing.http.xff_header_processing.mode": ("append", "preserve", "remove"),
    "stickiness.type": ("lb_cookie", "app_cookie"),
}
_UNBUILT: Mapping[str, str] = {
    "stickiness.type": "app_cookie",
    "load_balancing.algorithm.anomaly_mitigation": "on",
}
"""Values that would promise what the data plane does not do."""

UNENFORCED: Mapping[str, str] = {
    "access_logs.s3.enabled": "true",
    "connection_logs.s3.enabled": "true",
    "health_check_logs.s3.enabled": "true",
}
"""Values that are kept but not acted upon yet; `Elbv2Plane.status` reports them."""


def merge(
    kind: str,
    defaults: Mapping[str, str],
    current: Mapping[str, str],
    changes: Mapping[str, str],
) -> dict[str, str]:
    """Return the stored attributes after `changes`, each checked.

    Raises:
        AwsError: ValidationError for an unknown name or value; NotImplemented for what the
            data plane lacks.

    """
    for key, value in changes.items():
        if key not in defaults:
            raise validation_error(f"{kind} attribute key '{key}' is not recognized")
        _check(kind, key, value, defaults[key])
    merged = {**current, **changes}
    return {key: value for key, value in merged.items() if value != defaults[key]}


def _check(kind: str, key: str, value: str, default: str) -> None:
    if default in {"true", "false"} and value not in {"true", "false"}:
        raise _invalid(kind, key, value, "it must be 'true' or 'false'")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise _invalid(kind, key, value, f"it must be one of {', '.join(_CHOICES[key])}")
    if key in _RANGES:
        low, high = _RANGES[key]
        if not value.isdecimal() or not low <= int(value) <= high:
            raise _invalid(kind, key, value, f"it must be between {low} and {high}")
    if _UNBUILT.get(key) == value:
        raise not_implemented("elbv2", f"Modify{kind.replace(' ', '')}Attributes", f"{key}={value}")


def _invalid(kind: str, key: str, value: str, why: str) -> Exception:
    return validation_error(f"'{value}' is not a valid value for {kind} attribute '{key}': {why}")
