"""Golden tests: records in, Envoy's resources out, each one that Envoy's own types accept."""

import json
from pathlib import Path

import pytest
from records_for_tests import (
    BLUE,
    CONDITIONS,
    FIXED,
    GREEN,
    REDIRECT,
    forward,
    group,
    listener,
    load_balancer,
    rule,
    target,
)

from sandbox.aws.elbv2 import envoy, envoy_clusters
from sandbox.aws.elbv2.envoy_routes import StickyTargets, route_configuration
from sandbox.aws.elbv2.records import HealthCheckSettings
from sandbox.aws.elbv2.xds import Kind, encode
from sandbox.aws.ports import Certificate
from sandbox.clock import TimeScale
from sandbox.types import JsonObject

GOLDEN = Path(__file__).parents[3] / "testdata" / "elbv2"
LOG = Path("/state/envoy/health.log")
CERTIFICATE = Certificate(
    arn="arn:cert-1",
    domain_name="example.com",
    certificate_pem="CERTIFICATE\n",
    chain_pem="CHAIN\n",
    private_key_pem="KEY\n",
)
ALB = load_balancer()
WEIGHTED = forward((BLUE, 90), (GREEN, 10))

CASES: dict[str, tuple[Kind, JsonObject]] = {
    "cluster": (
        Kind.CLUSTER,
        envoy_clusters.cluster(group(), is_used=True, time_scale=TimeScale(1), health_log=LOG),
    ),
    "cluster_scaled": (
        Kind.CLUSTER,
        envoy_clusters.cluster(
            group(
                protocol_version="HTTP2",
                attributes={
                    "load_balancing.algorithm.type": "least_outstanding_requests",
                    "slow_start.duration_seconds": "30",
                },
            ),
            is_used=True,
            time_scale=TimeScale(10),
            health_log=LOG,
        ),
    ),
    "cluster_unused": (
        Kind.CLUSTER,
        envoy_clusters.cluster(group(), is_used=False, time_scale=TimeScale(1), health_log=LOG),
    ),
    "endpoints": (
        Kind.ENDPOINTS,
        envoy_clusters.endpoints(group(), [target(), target("127.10.0.2")]),
    ),
    "endpoints_check_port": (
        Kind.ENDPOINTS,
        envoy_clusters.endpoints(group(health_check=HealthCheckSettings(port="9000")), [target()]),
    ),
    "secret": (Kind.SECRET, envoy.secret(CERTIFICATE)),
    "listener_http": (Kind.LISTENER, envoy.listener(ALB, listener(FIXED))),
    "listener_https": (Kind.LISTENER, envoy.listener(ALB, listener(FIXED, "HTTPS"))),
    "routes_redirect": (Kind.ROUTES, route_configuration(ALB, listener(REDIRECT), ())),
    "routes_rules": (
        Kind.ROUTES,
        route_configuration(
            ALB,
            listener(forward((BLUE, 1))),
            [rule(20, WEIGHTED, *CONDITIONS[3:]), rule(10, FIXED, *CONDITIONS[:3])],
        ),
    ),
    "routes_sticky": (
        Kind.ROUTES,
        route_configuration(ALB, listener(forward((BLUE, 1), (GREEN, 1), stickiness_s=60)), ()),
    ),
    "routes_sticky_targets": (
        Kind.ROUTES,
        route_configuration(
            ALB,
            listener(WEIGHTED),
            (),
            [StickyTargets(target_group_arn=BLUE, duration_s=60)],
        ),
    ),
    "routes_no_weight": (
        Kind.ROUTES,
        route_configuration(ALB, listener(forward((BLUE, 0), (GREEN, 0))), ()),
    ),
    "routes_headers": (
        Kind.ROUTES,
        route_configuration(
            load_balancer(
                **{
                    "routing.http.xff_header_processing.mode": "remove",
                    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true",
                }
            ),
            listener(
                FIXED,
                "HTTPS",
                **{
                    "routing.http.response.server.enabled": "false",
                    "routing.http.response.x_frame_options.header_value": "DENY",
                },
            ),
            (),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_resources_are_as_recorded(name: str, *, update_golden: bool) -> None:
    _, resource = CASES[name]
    file = GOLDEN / f"{name}.json"
    text = json.dumps(resource, indent=1, sort_keys=True) + "\n"
    if update_golden:
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", CASES)
def test_resources_fit_envoys_types_and_have_stable_versions(name: str) -> None:
    kind, resource = CASES[name]
    first = encode(kind, resource)
    again = encode(kind, json.loads(json.dumps(resource)))
    assert first.version == again.version
    assert len(first.value) > 0


def test_a_zero_weight_group_is_in_no_route() -> None:
    text = json.dumps(route_configuration(ALB, listener(forward((BLUE, 100), (GREEN, 0))), ()))
    assert BLUE in text
    assert GREEN not in text


@pytest.mark.parametrize(
    ("timeout_s", "factor", "expected"),
    [(5, 1, 5), (5, 10, 2), (120, 10, 12), (2, 100, 2)],
)
def test_probe_timeouts_stay_long_enough_for_a_busy_laptop(
    timeout_s: int, factor: float, expected: float
) -> None:
    check = HealthCheckSettings(timeout_s=timeout_s)
    assert envoy_clusters.probe_timeout_s(check, TimeScale(factor)) == expected


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ("200", [(200, 200)]),
        ("200-399", [(200, 399)]),
        ("200,301-302", [(200, 200), (301, 302)]),
    ],
)
def test_matchers_are_inclusive_ranges(matcher: str, expected: list[tuple[int, int]]) -> None:
    assert envoy_clusters.status_ranges(matcher) == expected
